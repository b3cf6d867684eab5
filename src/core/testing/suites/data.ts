import {
  type BuiltInSuite,
  DEFAULT_TIMEOUT_MS,
  expect,
  LIFE_TESTS,
  type Test,
  type TestInstance,
  told,
} from "../suite.ts";

const DEFAULT_CONFIG = {
  /** The method that takes a batch. */
  process: "process",
  /** Where a batch's records, its results and what was rejected are. */
  records_field: "records",
  results_field: "results",
  rejected_field: "rejected",
  id_field: "id",
  /** A record that is valid but for its id, which each test gives; and one that is not. */
  record: { prices: Array.from({ length: 30 }, (_, index) => 100 + index) } as Record<string, unknown>,
  malformed: { prices: "not a list" } as Record<string, unknown>,
  batch_size: 20,
  throughput_records: 1000,
  min_records_per_second: 100,
};

type Config = typeof DEFAULT_CONFIG;
type Fields = Record<string, unknown>;

/** What a data pipeline must be able to do. */
export const dataSuite: BuiltInSuite = {
  name: "data",
  description: "Data pipelines: every record is processed once, in order, and what is malformed is told.",
  defaultConfig: DEFAULT_CONFIG,
  tests: (config, idPrefix) => [...LIFE_TESTS, ...batchTests({ ...DEFAULT_CONFIG, ...config } as Config, idPrefix)],
};

function batchTests(config: Config, idPrefix: string): Test[] {
  const { process, id_field } = config;
  let lastId = 0;
  const nextId = (): string => `helios-test-${idPrefix}-${++lastId}`;
  const records = (count: number): Fields[] =>
    Array.from({ length: count }, () => ({ ...config.record, [id_field]: nextId() }));
  const send = async (instance: TestInstance, batch: readonly Fields[]) => {
    const answer = (await instance.call(process, { [config.records_field]: batch })) as Fields | null;
    const [results, rejected] = [answer?.[config.results_field], answer?.[config.rejected_field] ?? []];
    expect(Array.isArray(results), `${config.results_field} is ${told(results)}, not a list`);
    expect(Array.isArray(rejected), `${config.rejected_field} is ${told(rejected)}, not a list`);
    return { ids: (results as Fields[]).map((result) => result[id_field]), rejected: rejected as unknown[] };
  };
  const idsOf = (batch: readonly Fields[]): unknown[] => batch.map((record) => record[id_field]);
  const same = (a: readonly unknown[], b: readonly unknown[]): boolean => JSON.stringify(a) === JSON.stringify(b);
  const test = (name: string, description: string, run: Test["run"], timeoutMs = DEFAULT_TIMEOUT_MS): Test => ({
    name,
    description,
    required: true,
    timeoutMs,
    method: process,
    run,
  });
  return [
    test("processes_valid_batch", "Each record of a valid batch gets a result.", async (instance) => {
      const batch = records(config.batch_size);
      const { ids, rejected } = await send(instance, batch);
      expect(ids.length === batch.length, `${batch.length} records got ${ids.length} results`);
      expect(rejected.length === 0, `valid records were rejected: ${told(rejected)}`);
    }),
    test("empty_batch", "An empty batch gets an empty result.", async (instance) => {
      const { ids, rejected } = await send(instance, []);
      expect(ids.length + rejected.length === 0, `it got ${told({ ids, rejected })}`);
    }),
    test("malformed_record_is_reported", "What is malformed is told, and the rest is processed.", async (instance) => {
      const [first, second] = [records(2), records(2)];
      const malformed = { ...config.malformed, [id_field]: nextId() };
      const { ids, rejected } = await send(instance, [...first, malformed, ...second]);
      expect(rejected.length === 1, `one record was malformed, rejected were ${told(rejected)}`);
      expect(same(ids, idsOf([...first, ...second])), `the rest got ${told(ids)}`);
    }),
    test("order_is_kept", "Results come in the order of their records.", async (instance) => {
      const batch = records(config.batch_size).reverse();
      const { ids } = await send(instance, batch);
      expect(same(ids, idsOf(batch)), `they came as ${told(ids)}`);
    }),
    test("no_duplicates_on_replay", "Records that are sent again get no second result.", async (instance) => {
      const batch = records(config.batch_size);
      await send(instance, batch);
      const fresh = records(1);
      const { ids } = await send(instance, [...batch, ...fresh]);
      expect(same(ids, idsOf(fresh)), `the replay got ${told(ids)}`);
    }),
    test(
      "throughput",
      "Records are processed at least so fast.",
      async (instance) => {
        const batches = Math.ceil(config.throughput_records / config.batch_size);
        const start = instance.now();
        for (let count = 0; count < batches; count += 1) await send(instance, records(config.batch_size));
        const rate = (batches * config.batch_size * 1000) / (instance.now() - start);
        expect(
          rate >= config.min_records_per_second,
          `${Math.round(rate)} a second, under ${config.min_records_per_second}`,
        );
        return { records_per_second: Math.round(rate) };
      },
      60_000,
    ),
  ];
}
