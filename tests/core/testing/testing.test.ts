import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createEngine, type Engine, isReason, type Run } from "../../../src/core/index.ts";
import { compileExpectation } from "../../../src/server/cel.ts";

let engine: Engine;

beforeEach(async () => {
  const modulesRoot = join(import.meta.dirname, "../../fixtures/modules");
  engine = await createEngine({ modulesRoot, compileExpectation });
  await engine.modules.register("counter", { modulePath: "suites/counter" });
});

afterEach(() => engine.close());

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => Promise.reject(new Error("it was not refused")),
    (error: Error) => error.message,
  );

describe("a run", () => {
  it("is remembered from its start on, whether anybody listens to it or not", async () => {
    await engine.testing.createSuite("hangs", "", [{ name: "hangs", method: "hang" }]);
    const abort = new AbortController();
    let during: readonly Run[] = [];
    const testStarted = (): void => {
      during = engine.testing.listRuns("counter");
      abort.abort();
    };
    const run = await engine.testing.run("counter", "hangs", { signal: abort.signal, progress: { testStarted } });
    expect(during.map(({ name, record }) => [name, record.state])).toEqual([[run.name, "RUNNING"]]);
    expect(run.record.state).toBe("CANCELLED");
  });

  it("whose listener throws is not left running", async () => {
    await engine.testing.createSuite("counts", "", [{ name: "counts", method: "count" }]);
    const testEnded = (): void => {
      throw new Error("of the listener");
    };
    expect(await refusal(engine.testing.run("counter", "counts", { progress: { testEnded } }))).toBe("of the listener");
    expect(engine.testing.listRuns("counter").map(({ record }) => record.state)).toEqual(["INTERRUPTED"]);
  });

  it("takes the module's own suite where none is named, and says what to give where it has none", async () => {
    expect(await refusal(engine.testing.run("counter"))).toBe(
      "suite: must name a suite, since module counter has no test_suite",
    );
    await engine.testing.createSuite("counts", "", [{ name: "counts", method: "count" }]);
    await engine.modules.register("own", { modulePath: "suites/counter", testSuite: "counts" });
    expect((await engine.testing.run("own")).record).toMatchObject({ suite: "counts", passed: true });
  });

  it("keeps an output whole up to 4,096 bytes, and cuts it between two characters", async () => {
    const repeat = (name: string, text: string, times: number) => ({ name, method: "repeat", input: { text, times } });
    await engine.testing.createSuite("long", "", [
      repeat("fits", "x", 4094),
      repeat("too_long", "x", 4095),
      repeat("emoji", "😀", 1024),
    ]);
    const { tests } = (await engine.testing.run("counter", "long")).record;
    expect(tests.map(({ output }) => output)).toEqual([
      "x".repeat(4094),
      `"${"x".repeat(4095)}…`,
      `"${"😀".repeat(1023)}…`,
    ]);
  });

  it("of the instance that serves can be repeated: nothing that a test gives was given before", async () => {
    await engine.modules.register("trader", { modulePath: "suites/trader" });
    await engine.modules.register("pipeline", { modulePath: "suites/pipeline" });
    for (const [module, suite] of [
      ["trader", "trading"],
      ["pipeline", "data"],
    ] as const) {
      await engine.modules.load(module);
      for (let count = 0; count < 2; count += 1) {
        const { record } = await engine.testing.run(module, suite, { target: "ACTIVE" });
        expect(record.tests.filter(({ outcome }) => outcome !== "PASSED")).toEqual([]);
      }
    }
  });
});

describe("a suite's configuration", () => {
  it.each([
    ["trading", { p99_budget_ms: 0 }, "config.p99_budget_ms: must be a whole number from 1 to 100000, not 0"],
    [
      "trading",
      { latency_orders: Number.NaN },
      "config.latency_orders: must be a whole number from 1 to 100000, not null",
    ],
    ["trading", { concurrent_orders: 1e9 }, /config.concurrent_orders: must be a whole number/],
    ["trading", { concurrent_orders: "50" }, /config.concurrent_orders: must be a whole number .* not "50"/],
    ["trading", { place_order: 1 }, "config.place_order: must be a text, not 1"],
    ["trading", { order: null }, "config.order: must be an object, not null"],
    ["trading", { accepted: [] }, "config.accepted: must be a list with items, not []"],
    ["data", { batch_size: 0 }, /config.batch_size: must be a whole number/],
    ["data", { malformed: [] }, "config.malformed: must be an object, not []"],
    ["ml", { inputs: {} }, "config.inputs: must be a list with items, not {}"],
    ["ml", { predcit: "p" }, /config.predcit: is no setting of suite ml; there are predict, /],
  ])("of %s refuses %j", async (suite, config, message) => {
    const error = await engine.testing.run("counter", suite, { config }).catch((thrown: unknown) => thrown);
    expect(isReason(error, "ARGUMENT_INVALID")).toBe(true);
    expect((error as Error).message).toMatch(message);
    expect(engine.testing.listRuns("counter")).toEqual([]);
  });

  it("takes any value where the value is what is wrong", async () => {
    await engine.modules.register("model", { modulePath: "suites/model" });
    const { record } = await engine.testing.run("model", "ml", { config: { wrong_shape: { prices: 7 }, empty: {} } });
    expect(record.passed).toBe(true);
    const accepted = await engine.testing.run("model", "ml", { config: { empty: { prices: [1, 2] } } });
    expect(accepted.record.tests.filter(({ outcome }) => outcome !== "PASSED").map(({ name }) => name)).toEqual([
      "empty_is_clean_error",
    ]);
  });
});

describe("the gate of a swap", () => {
  it("lets in what passes, keeps out what does not, and both runs are remembered", async () => {
    await engine.testing.createSuite("one", "", [{ name: "is_one", method: "count", expect: "output == 1.0" }]);
    await engine.testing.createSuite("two", "", [{ name: "is_two", method: "count", expect: "output == 2.0" }]);
    await engine.modules.load("counter");
    const refused = await engine.modules.swap("counter", {
      newVersionPath: "suites/counter",
      testSuite: "two",
    });
    expect(refused).toMatchObject({ swapped: false, failedStep: "gate" });
    expect(refused.failure).toContain("0 of 1 passed; is_two: output == 2.0: output 1");
    const passed = await engine.modules.swap("counter", {
      newVersionPath: "suites/counter",
      testSuite: "one",
    });
    expect(passed.swapped).toBe(true);
    const runs = engine.testing
      .listRuns("counter")
      .map(({ record: { suite, passed, cause } }) => [suite, passed, cause.action]);
    expect(runs).toEqual([
      ["one", true, "Gate"],
      ["two", false, "Gate"],
    ]);
  });
});
