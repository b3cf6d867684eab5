import { canonicalJson } from "../../../json/canonical.ts";
import {
  type BuiltInSuite,
  DEFAULT_TIMEOUT_MS,
  expect,
  LIFE_TESTS,
  LONG_TIMEOUT_MS,
  member,
  type Setting,
  type Test,
  type TestInstance,
  told,
  type Values,
  valuesOf,
} from "../suite.ts";

type Fields = Readonly<Record<string, unknown>>;

const SETTINGS = {
  process: { standard: "process", about: "The method that takes a batch." },
  records_field: { standard: "records", about: "Where in a batch its records are." },
  results_field: { standard: "results", about: "Where in its answer the results are, each with the id of its record." },
  rejected_field: {
    standard: "rejected",
    about: "Where in its answer what was rejected is: each the id or the index of its record, or an object with one.",
  },
  id_field: { standard: "id", about: "Where in records and results the id is." },
  record: {
    standard: { prices: Array.from({ length: 30 }, (_, index) => 100 + index) } as Fields,
    about: "A record that is valid but for its id, which each test gives.",
  },
  malformed: { standard: { prices: "not a list" } as Fields, about: "A record that is not valid, but for its id." },
  batch_size: { standard: 20, about: "Records of a batch." },
  throughput_records: { standard: 1000, about: "Records that are measured." },
  min_records_per_second: { standard: 100, about: "How many of them must be processed in a second." },
} satisfies Record<string, Setting>;

type Config = Values<typeof SETTINGS>;

/** What a data pipeline must be able to do. */
export const dataSuite: BuiltInSuite = {
  name: "data",
  description: "Data pipelines: every record is processed once, in order, and what is malformed is told.",
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
    expect(Array.isArray(results), `${results_field} is ${told(results)}, not a list`);
    expect(Array.isArray(rejected), `${rejected_field} is ${told(rejected)}, not a list`);
    return { ids: results.map((result) => member(result, id_field)), rejected: rejected as unknown[] };
  };
  const idsOf = (batch: readonly Fields[]): unknown[] => batch.map((record) => record[id_field]);
  const same = (a: readonly unknown[], b: readonly unknown[]): boolean => canonicalJson(a) === canonicalJson(b);
  const test = (name: string, description: string, run: Test["run"], timeoutMs = DEFAULT_TIMEOUT_MS): Test => ({
    name,
    description,
    required: true,
    timeoutMs,
    method: process,
    run,
  });
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
        expect(rejected.length === 0, `valid records were rejected: ${told(rejected)}`);
      },
    ),
    test("empty_batch", "An empty batch gets an empty result.", async (instance) => {
      const { ids, rejected } = await send(instance, []);
      expect(ids.length + rejected.length === 0, `it got ${told({ ids, rejected })}`);
    }),
    test(
      "malformed_record_is_reported",
      "A malformed record in the middle of a batch is rejected by its id or index, and every other record gets its result.",
      async (instance) => {
        const [first, second] = [records(2), records(2)];
        const malformed = { ...config.malformed, [id_field]: nextId() };
        const { ids, rejected } = await send(instance, [...first, malformed, ...second]);
        expect(rejected.length === 1, `one record was malformed, rejected were ${told(rejected)}`);
        const names = [malformed[id_field], first.length];
        const [entry] = rejected;
        const parts = typeof entry === "object" && entry !== null ? Object.values(entry) : [entry];
        expect(
          parts.some((part) => names.includes(part)),
          `what was rejected does not name the malformed record, ${told(names)}: ${told(entry)}`,
        );
        expect(same(ids, idsOf([...first, ...second])), `the rest got ${told(ids)}`);
      },
    ),
    test(
      "order_is_kept",
      "Results come in the order of their records, whatever the order of the ids.",
      async (instance) => {
        const batch = records(batch_size);
        const mixed = [...batch.filter((_, index) => index % 2 === 1), ...batch.filter((_, index) => index % 2 === 0)];
        const { ids } = await send(instance, mixed);
        expect(same(ids, idsOf(mixed)), `they came as ${told(ids)}`);
      },
    ),
    test(
      "no_duplicates_on_replay",
      "Records that are sent again get no second result, and a new one between them gets its first.",
      async (instance) => {
        const batch = records(batch_size);
        await send(instance, batch);
        const fresh = records(1);
        const { ids } = await send(instance, [...batch, ...fresh]);
        expect(same(ids, idsOf(fresh)), `the replay got ${told(ids)}`);
      },
    ),
    test(
      "throughput",
      "Of `throughput_records` at least `min_records_per_second` are processed, and none is lost on the way.",
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
      LONG_TIMEOUT_MS,
    ),
  ];
}
