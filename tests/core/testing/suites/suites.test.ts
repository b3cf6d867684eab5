import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine, type Run } from "../../../../src/core/index.ts";

let engine: Engine;

beforeAll(async () => {
  engine = await createEngine({ modulesRoot: join(import.meta.dirname, "../../../fixtures/modules") });
});

afterAll(() => engine.close());

type Config = Record<string, unknown>;

/** Fewer calls than by default, which find every flaw that is not about the number of calls. */
const FEW: Record<string, Config> = {
  trading: { latency_orders: 10 },
  ml: { latency_predictions: 10, heap_warm_up_predictions: 10, heap_predictions: 10 },
  data: {},
};
/** Tight budgets, which a correct module on a busy machine might exceed. They apply only to the flaw that must exceed them. */
const STRICT: Record<string, Record<string, Config>> = {
  trading: { p99_latency: { p99_budget_ms: 25, latency_orders: 100 } },
  ml: {
    p99_latency: { p99_budget_ms: 25, latency_predictions: 100 },
    heap_does_not_grow: { heap_warm_up_predictions: 100, heap_predictions: 400 },
  },
  data: { throughput: { min_records_per_second: 1000, throughput_records: 100 } },
};
/** Flaws of the start and of the health, and those that end the process. All others share an instance for each suite. */
const FRESH = ["starts", "healthy", "wrong_shape_is_clean_error", "crash"];
const active = new Set<string>();

async function runWith(suite: string, path: string, flaw: string): Promise<Run> {
  if (flaw === "" || FRESH.includes(flaw)) {
    const name = `${suite}_${flaw || "sound"}`;
    await engine.modules.register(name, { modulePath: path, config: { flaw } });
    return engine.testing.run(name, suite, { config: flaw === "" ? {} : { ...FEW[suite] } });
  }
  if (!active.has(suite)) {
    await engine.modules.register(suite, { modulePath: path });
    await engine.modules.load(suite);
    active.add(suite);
  }
  await engine.modules.invoke(suite, "become", { json: flaw });
  return engine.testing.run(suite, suite, { target: "ACTIVE", config: { ...FEW[suite], ...STRICT[suite]?.[flaw] } });
}

/** Runs a suite on a module with a flaw, and returns the tests that did not pass. Without a flaw, all settings are the defaults. */
async function failing(suite: string, path: string, flaw: string): Promise<Record<string, string>> {
  const { record } = await runWith(suite, path, flaw);
  const bad = record.tests.filter(({ outcome }) => outcome !== "PASSED");
  expect(record.passed).toBe(bad.length === 0);
  return Object.fromEntries(bad.map((test) => [test.name, test.outcome]));
}

/** A suite, its fixture, its tests, each with a flaw of the same name, and further flaws with the tests that find them. */
type Case = [string, string, string[], [string, string][]];

const SUITES: Case[] = [
  [
    "trading",
    "suites/trader",
    [
      "starts",
      "healthy",
      "accepts_valid_order",
      "rejects_negative_quantity",
      "rejects_unknown_symbol",
      "same_client_order_id_is_one_order",
      "cancel_of_unknown_order_is_clean_error",
      "positions_add_up",
      "p99_latency",
      "concurrent_orders_lose_none",
    ],
    [
      ["no_order_id", "accepts_valid_order"],
      ["position_is_lost_by_refusal", "rejects_unknown_symbol"],
      ["orders_are_lost_by_refusal", "rejects_unknown_symbol"],
      ["refused_is_listed", "rejects_unknown_symbol"],
      ["sent_twice_is_listed_twice", "same_client_order_id_is_one_order"],
      ["sells_are_taken_for_buys", "positions_add_up"],
      ["concurrent_orders_are_not_listed", "concurrent_orders_lose_none"],
      ["orders_are_forgotten", "concurrent_orders_lose_none"],
    ],
  ],
  [
    "ml",
    "suites/model",
    [
      "starts",
      "healthy",
      "predicts",
      "confidence_within_bounds",
      "same_input_same_output",
      "wrong_shape_is_clean_error",
      "nan_is_clean_error",
      "empty_is_clean_error",
      "batch_equals_singles",
      "p99_latency",
      "heap_does_not_grow",
    ],
    [["empty_input_poisons", "empty_is_clean_error"]],
  ],
  [
    "data",
    "suites/pipeline",
    [
      "starts",
      "healthy",
      "processes_valid_batch",
      "empty_batch",
      "malformed_record_is_reported",
      "order_is_kept",
      "no_duplicates_on_replay",
      "throughput",
    ],
    [
      ["malformed_record_is_not_named", "malformed_record_is_reported"],
      ["loses_records_under_load", "throughput"],
    ],
  ],
];

describe.each(SUITES)("the suite %s", (suite, path, tests, more) => {
  it("passes a correct module", async () => {
    expect(await failing(suite, path, "")).toEqual({});
  });

  it.each(tests)("detects a module that fails in %s", async (test) => {
    expect((await failing(suite, path, test))[test]).toBe(test === "wrong_shape_is_clean_error" ? "ERRORED" : "FAILED");
  });

  it.each(more)("detects a module in which %s, by %s", async (flaw, test) => {
    expect((await failing(suite, path, flaw))[test]).toBe("FAILED");
  });

  it("has one test for each property that it proves", () => {
    expect(engine.testing.getSuite(suite).tests.map(({ name }) => name)).toEqual(tests);
  });
});

describe("a run", () => {
  it("ends when the instance ends: that test has an error, and later ones are skipped", async () => {
    const bad = await failing("trading", "suites/trader", "crash");
    expect(bad.cancel_of_unknown_order_is_clean_error).toBe("ERRORED");
    expect([bad.positions_add_up, bad.concurrent_orders_lose_none]).toEqual(["SKIPPED", "SKIPPED"]);
  });

  it("a run of a module that does not start says why, and skips the other tests", async () => {
    await engine.modules.register("never_starts", { modulePath: "suites/trader", config: { flaw: "starts" } });
    const { record } = await engine.testing.run("never_starts", "trading");
    const [first, ...rest] = record.tests;
    expect(first).toMatchObject({
      name: "starts",
      outcome: "FAILED",
      message: expect.stringContaining("no market data"),
    });
    expect(new Set(rest.map(({ outcome }) => outcome))).toEqual(new Set(["SKIPPED"]));
    expect(record).toMatchObject({ state: "COMPLETED", passed: false, modulePath: "suites/trader" });
    expect(record.artifact).toMatch(/^[0-9a-f]{64}$/);
  });
});
