import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine } from "../../../src/core/index.ts";

let engine: Engine;

beforeAll(async () => {
  engine = await createEngine({ modulesRoot: join(import.meta.dirname, "../../fixtures/modules") });
});

afterAll(() => engine.close());

/** Runs a suite on a module with a flaw; the tests that did not pass. */
async function failing(suite: string, path: string, flaw: string): Promise<Record<string, string>> {
  const name = `${suite}_${flaw || "sound"}`;
  await engine.modules.register(name, { modulePath: path, config: { flaw } });
  const config = { trading: { p99_budget_ms: 15 }, ml: { p99_budget_ms: 15 }, data: { min_records_per_second: 1000 } }[
    suite
  ];
  const slow = flaw === "p99_latency" || flaw === "throughput";
  const { record } = await engine.testing.run(name, suite, slow && config ? { config } : {});
  const bad = record.tests.filter(({ outcome }) => outcome !== "PASSED");
  expect(record.passed).toBe(bad.length === 0);
  return Object.fromEntries(bad.map((test) => [test.name, test.outcome]));
}

const SUITES: [string, string, string[]][] = [
  [
    "trading",
    "suites/trader",
    [
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
  ],
  [
    "ml",
    "suites/model",
    [
      "predicts",
      "confidence_within_bounds",
      "same_input_same_output",
      "wrong_shape_is_clean_error",
      "nan_is_clean_error",
      "empty_is_clean_error",
      "batch_equals_singles",
      "p99_latency",
    ],
  ],
  [
    "data",
    "suites/pipeline",
    [
      "processes_valid_batch",
      "empty_batch",
      "malformed_record_is_reported",
      "order_is_kept",
      "no_duplicates_on_replay",
      "throughput",
    ],
  ],
];

describe.each(SUITES)("the suite %s", (suite, path, tests) => {
  it("passes a module that is sound", async () => {
    expect(await failing(suite, path, "")).toEqual({});
  });

  it.each(tests)("finds out a module that fails in %s", async (test) => {
    expect(Object.keys(await failing(suite, path, test))).toContain(test);
  });

  it("has a test for each thing that it proves, and no other", () => {
    const names = engine.testing.getSuite(suite).tests.map(({ name }) => name);
    expect(names).toEqual([...new Set(["starts", "healthy", ...tests])]);
  });
});

describe("a run", () => {
  it("finds out a module that loses its state when it refuses an order", async () => {
    expect(await failing("trading", "suites/trader", "state_is_lost")).toMatchObject({
      rejects_unknown_symbol: "FAILED",
    });
  });

  it("ends where the instance does: that test has an error, and those after it are skipped", async () => {
    const bad = await failing("trading", "suites/trader", "crash");
    expect(bad.cancel_of_unknown_order_is_clean_error).toBe("ERRORED");
    expect([bad.positions_add_up, bad.concurrent_orders_lose_none]).toEqual(["SKIPPED", "SKIPPED"]);
  });
});
