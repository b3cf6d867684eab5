import { canonicalJson } from "../../../json/canonical.ts";
import {
  type BuiltInSuite,
  formatValue,
  type Setting,
  type Test,
  type TestInstance,
  type Values,
  valuesOf,
} from "../suite.ts";
import { expect, LIFE_TESTS, LONG_TIMEOUT_MS, member, testsOf } from "./checks.ts";

type Fields = Readonly<Record<string, unknown>>;

const SETTINGS = {
  process: { standard: "process", about: "The method that processes a batch." },
  records_field: { standard: "records", about: "The field of a batch that has its records." },
  results_field: {
    standard: "results",
    about: "The field of the answer that has the results, each with the id of its record.",
  },
  rejected_field: {
    standard: "rejected",
    about:
      "The field of the answer that has the rejected records: each as its id or index, or as an object with one of them.",
  },
  id_field: { standard: "id", about: "The field of a record or result that has its id." },
  record: {
    standard: { prices: Array.from({ length: 30 }, (_, index) => 100 + index) } as Fields,
    about: "A valid record, except for its id, which each test adds.",
  },
  malformed: {
    standard: { prices: "not a list" } as Fields,
    about: "An invalid record, except for its id, which each test adds.",
  },
  batch_size: { standard: 20, about: "The number of records in a batch." },
  throughput_records: { standard: 1000, about: "The number of records that are measured." },
  min_records_per_second: { standard: 100, about: "The minimum number of records per second." },
} satisfies Record<string, Setting>;

type Config = Values<typeof SETTINGS>;

/** Tests for data pipelines. */
export const dataSuite: BuiltInSuite = {
  name: "data",
  description: "Data pipelines: every record is processed once, in order, and malformed records are reported.",
  settings: SETTINGS,
  tests: (config, idPrefix) => [...LIFE_TESTS, ...batchTests(valuesOf(SETTINGS, config), idPrefix)],
};

function batchTests(config: Config, idPrefix: string): Test[] {
  const { process, id_field, records_field, results_field, rejected_field, batch_size } = config;
  let lastId = 0;
  const nextId = (): string => `helios-test-${idPrefix}-${++lastId}`;
  const records = (count: number): Fields[] =>
    Array.from({ length: count }, () => ({ ...config.record, [id_field]: nextId() }));
  const send = async (instance: TestInstance, batch: readonly Fields[]) => {
    const answer = await instance.call(process, { [records_field]: batch });
    const [results, rejected] = [member(answer, results_field), member(answer, rejected_field) ?? []];
    expect(Array.isArray(results), `${results_field} is ${formatValue(results)}, not a list`);
    expect(Array.isArray(rejected), `${rejected_field} is ${formatValue(rejected)}, not a list`);
    return { ids: results.map((result) => member(result, id_field)), rejected: rejected as unknown[] };
  };
  const idsOf = (batch: readonly Fields[]): unknown[] => batch.map((record) => record[id_field]);
  const same = (a: readonly unknown[], b: readonly unknown[]): boolean => canonicalJson(a) === canonicalJson(b);
  const test = testsOf(process);
  return [
    test(
      "processes_valid_batch",
      "Each record of a valid batch gets a result, and none is rejected.",
      async (instance) => {
        const batch = records(batch_size);
        const { ids, rejected } = await send(instance, batch);
        const missing = idsOf(batch).filter((id) => !ids.includes(id));
        expect(missing.length === 0, `${missing.length} of ${batch.length} records got no result`);
        expect(ids.length === batch.length, `${batch.length} records got ${ids.length} results`);
        expect(rejected.length === 0, `valid records were rejected: ${formatValue(rejected)}`);
      },
    ),
    test("empty_batch", "An empty batch gets an empty result.", async (instance) => {
      const { ids, rejected } = await send(instance, []);
      expect(ids.length + rejected.length === 0, `the answer had ${formatValue({ ids, rejected })}`);
    }),
    test(
      "malformed_record_is_reported",
      "A malformed record in the middle of a batch is rejected by its id or index, and every other record gets its result.",
      async (instance) => {
        const [first, second] = [records(2), records(2)];
        const malformed = { ...config.malformed, [id_field]: nextId() };
        const { ids, rejected } = await send(instance, [...first, malformed, ...second]);
        expect(rejected.length === 1, `one record was malformed, but these were rejected: ${formatValue(rejected)}`);
        const names = [malformed[id_field], first.length];
        const [entry] = rejected;
        const parts = typeof entry === "object" && entry !== null ? Object.values(entry) : [entry];
        expect(
          parts.some((part) => names.includes(part)),
          `what was rejected does not name the malformed record, ${formatValue(names)}: ${formatValue(entry)}`,
        );
        expect(same(ids, idsOf([...first, ...second])), `the other records got the results ${formatValue(ids)}`);
      },
    ),
    test(
      "order_is_kept",
      "Results have the order of their records, even if the ids are not in order.",
      async (instance) => {
        const batch = records(batch_size);
        const mixed = [...batch.filter((_, index) => index % 2 === 1), ...batch.filter((_, index) => index % 2 === 0)];
        const { ids } = await send(instance, mixed);
        expect(same(ids, idsOf(mixed)), `the results have the order ${formatValue(ids)}`);
      },
    ),
    test(
      "no_duplicates_on_replay",
      "Records that are sent again get no second result, while a new record between them gets its result.",
      async (instance) => {
        const batch = records(batch_size);
        await send(instance, batch);
        const fresh = records(1);
        const { ids } = await send(instance, [...batch, ...fresh]);
        expect(same(ids, idsOf(fresh)), `the replay got the results ${formatValue(ids)}`);
      },
    ),
    test(
      "throughput",
      "At least `min_records_per_second` of `throughput_records` are processed, and no record is lost.",
      async (instance) => {
        const batches = Math.ceil(config.throughput_records / batch_size);
        const start = instance.now();
        let processed = 0;
        for (let count = 0; count < batches; count += 1) {
          processed += (await send(instance, records(batch_size))).ids.length;
        }
        const rate = (processed * 1000) / (instance.now() - start);
        expect(processed === batches * batch_size, `of ${batches * batch_size} records ${processed} got a result`);
        expect(
          rate >= config.min_records_per_second,
          `${rate.toFixed(1)} a second, under ${config.min_records_per_second}`,
        );
        return { records_per_second: Math.round(rate) };
      },
      { timeoutMs: LONG_TIMEOUT_MS },
    ),
  ];
}
