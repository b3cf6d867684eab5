import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { createEngine, type Engine, isReason, type Log, RUNS_AT_ONCE, type Run } from "../../../src/core/index.ts";
import { compileExpectation } from "../../../src/server/cel/expectation.ts";
import { until } from "../../support/until.ts";
import { sharedEngine } from "./engine-rig.ts";

const modulesRoot = join(import.meta.dirname, "../../fixtures/modules");
const shared = sharedEngine({ modulesRoot, compileExpectation });
let engine: Engine;

beforeEach(async () => {
  engine = shared.engine();
  await engine.modules.register("counter", { modulePath: "suites/counter" });
});

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => Promise.reject(new Error("it was not refused")),
    (error: Error) => error.message,
  );

describe("a run", () => {
  it("is stored from its start on, whether anybody follows it or not", async () => {
    await engine.testing.createSuite("hangs", { tests: [{ name: "hangs", method: "hang" }] });
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

  it("does not continue if its listener throws", async () => {
    await engine.testing.createSuite("counts", { tests: [{ name: "counts", method: "count" }] });
    const testEnded = (): void => {
      throw new Error("of the listener");
    };
    expect(await refusal(engine.testing.run("counter", "counts", { progress: { testEnded } }))).toBe("of the listener");
    expect(engine.testing.listRuns("counter").map(({ record }) => record.state)).toEqual(["INTERRUPTED"]);
  });

  it("uses the module's own suite if none is named, and says how to name one if it has none", async () => {
    expect(await refusal(engine.testing.run("counter"))).toBe(
      "suite: must name a suite, since module counter has no test_suite",
    );
    await engine.testing.createSuite("counts", { tests: [{ name: "counts", method: "count" }] });
    await engine.modules.register("own", { modulePath: "suites/counter", testSuite: "counts" });
    expect((await engine.testing.run("own")).record).toMatchObject({ suite: "counts", passed: true });
  });

  it("checks an expectation against the answer, the error and the duration of a call", async () => {
    const test = (name: string, method: string, expect: string) => ({ name, method, expect, required: false });
    await engine.testing.createSuite("kinds", {
      tests: [
        test("of the output", "count", "output == 1.0 && error == null && duration_ms >= 0.0"),
        test("of the error", "refuse", 'output == null && error.name == "RangeError" && error.message == "not that"'),
        test("not met", "count", "output == 7.0"),
        test("of the output, where it throws", "refuse", 'output.status == "filled"'),
        test("of what is not there", "count", "output.status == 1.0"),
        test("neither true nor false", "count", "output"),
      ],
    });
    const { tests } = (await engine.testing.run("counter", "kinds")).record;
    expect(tests.map(({ outcome }) => outcome)).toEqual(["PASSED", "PASSED", "FAILED", "FAILED", "ERRORED", "ERRORED"]);
    const [notMet, throws, notThere, neither] = tests.slice(2).map(({ message }) => message);
    expect(notMet).toMatch(/^output == 7\.0: output 2, after \d+ ms$/);
    expect(throws).toContain('error {"name":"RangeError","message":"not that"}');
    expect(notThere).toMatch(/^cannot be evaluated: .*: output 3$/);
    expect(neither).toBe("is neither true nor false, but 4: output 4");
  });

  it("stores an output of up to 4,096 bytes in full, and cuts a longer one between two characters", async () => {
    const repeat = (name: string, text: string, times: number) => ({ name, method: "repeat", input: { text, times } });
    await engine.testing.createSuite("long", {
      tests: [repeat("fits", "x", 4094), repeat("too_long", "x", 4095), repeat("emoji", "😀", 1024)],
    });
    const { tests } = (await engine.testing.run("counter", "long")).record;
    expect(tests.map(({ output }) => output)).toEqual([
      "x".repeat(4094),
      `"${"x".repeat(4095)}…`,
      `"${"😀".repeat(1023)}…`,
    ]);
  });

  it("a run on the serving instance can be repeated, because each test input is new", async () => {
    await engine.modules.register("trader", { modulePath: "suites/trader" });
    await engine.modules.register("pipeline", { modulePath: "suites/pipeline" });
    for (const [module, suite, config] of [
      ["trader", "trading", { latency_orders: 10 }],
      ["pipeline", "data", {}],
    ] as const) {
      await engine.modules.load(module);
      for (let count = 0; count < 2; count += 1) {
        const { record } = await engine.testing.run(module, suite, { target: "ACTIVE", config });
        expect(record.tests.filter(({ outcome }) => outcome !== "PASSED")).toEqual([]);
      }
    }
  });
});

describe("a run on code before its deployment", () => {
  it("starts that file with the module's registration, and identifies the code", async () => {
    const config = { flaw: "cancel_of_unknown_order_is_clean_error" };
    await engine.modules.register("trader", { modulePath: "suites/counter", version: "7.0.0", config });
    const { record } = await engine.testing.run("trader", "trading", {
      modulePath: "suites/trader",
      config: { latency_orders: 10 },
    });
    expect(record.tests.filter(({ outcome }) => outcome !== "PASSED").map(({ name }) => name)).toEqual([
      "cancel_of_unknown_order_is_clean_error",
    ]);
    const code = await engine.modules.resolveFresh("trader", { modulePath: "suites/trader" });
    expect(record).toMatchObject({ target: "FRESH", version: "0.0.0", ...code });
    const registered = await engine.modules.resolveFresh("trader");
    expect(registered.artifact).not.toBe(code.artifact);
  });

  it.each([
    ["suites/none", {}, "MODULE_FILE_NOT_FOUND"],
    ["../counter", {}, "MODULE_PATH_OUTSIDE_ROOT"],
    ["x".repeat(1025), {}, "ARGUMENT_INVALID"],
    ["suites/counter", { target: "ACTIVE" as const }, "ARGUMENT_INVALID"],
  ] as const)("a run of %s is refused: %j", async (modulePath, options, reason) => {
    if ("target" in options) await engine.modules.load("counter");
    const error: unknown = await engine.testing
      .run("counter", "trading", { modulePath, ...options })
      .catch((thrown: unknown) => thrown);
    expect(isReason(error, reason)).toBe(true);
    expect(engine.testing.listRuns("counter")).toEqual([]);
  });
});

describe("an accepted run", () => {
  it("is cancelled while its instance starts, or while it waits for that", async () => {
    const { promise: hangs, resolve } = Promise.withResolvers<void>();
    const log: Log = (_area, _level, message) => message === "hanging" && resolve();
    const slow = await createEngine({ modulesRoot, log });
    onTestFinished(() => slow.close());
    await slow.modules.register("slow", { modulePath: "registry/hangs_on_start", startTimeoutMs: 600_000 });
    const accepted = Array.from({ length: RUNS_AT_ONCE + 1 }, () => Promise.withResolvers<Run>());
    const running = accepted.map(({ resolve: runStarted }) =>
      slow.testing.run("slow", "data", { progress: { runStarted } }),
    );
    await Promise.all([hangs, ...accepted.map(({ promise }) => promise)]);
    const runs = slow.testing.listRuns("slow");
    expect(runs.map(({ record }) => record.state)).toEqual(Array(RUNS_AT_ONCE + 1).fill("RUNNING"));
    const cancelled = await Promise.all(runs.map(({ name }) => slow.testing.cancelRun(name)));
    expect(cancelled.map(({ record }) => record.state)).toEqual(Array(RUNS_AT_ONCE + 1).fill("CANCELLED"));
    await Promise.all(running);
    // Their instances have ended, although they had minutes to start, so that other runs have their turn.
    await slow.modules.register("echo", { modulePath: "echo" });
    expect((await slow.testing.run("echo", "data")).record.state).toBe("COMPLETED");
  });

  it("a run on the serving instance ends when another takes its place, and identifies the tested code", async () => {
    await engine.testing.createSuite("hangs", {
      tests: [
        { name: "hangs", method: "hang" },
        { name: "next", method: "count" },
      ],
    });
    await engine.modules.register("traded", { modulePath: "suites/counter" });
    await engine.modules.load("traded");
    const before = engine.modules.activeInstance("traded");
    const { promise: started, resolve } = Promise.withResolvers<void>();
    const running = engine.testing.run("traded", "hangs", {
      target: "ACTIVE",
      progress: { testStarted: () => resolve() },
    });
    await started;
    await engine.modules.swap("traded", { newVersionPath: "suites/trader" });
    const { record } = await running;
    expect(record).toMatchObject({ state: "COMPLETED", passed: false, artifact: before.artifact });
    expect(record.tests.map(({ outcome, message }) => [outcome, message])).toEqual([
      ["ERRORED", "the instance was stopped while it was tested"],
      ["SKIPPED", "the instance ended before"],
    ]);
    expect(engine.modules.activeInstance("traded").artifact).not.toBe(before.artifact);
  });
});

describe("the configuration of a suite", () => {
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
    ["ml", { predcit: "p" }, /config.predcit: is not a setting of suite ml; its settings are predict, /],
  ])("the configuration of suite %s cannot be %j", async (suite, config, message) => {
    const error = await engine.testing.run("counter", suite, { config }).catch((thrown: unknown) => thrown);
    expect(isReason(error, "ARGUMENT_INVALID")).toBe(true);
    expect((error as Error).message).toMatch(message);
    expect(engine.testing.listRuns("counter")).toEqual([]);
  });

  it("exists only for built-in suites", async () => {
    await engine.testing.createSuite("counts", { tests: [{ name: "counts", method: "count" }] });
    expect(await refusal(engine.testing.run("counter", "counts", { config: { x: 1 } }))).toBe(
      "config.x: is not a setting of suite counts; it has no settings",
    );
  });

  it("accepts any value in a field for invalid inputs", async () => {
    await engine.modules.register("model", { modulePath: "suites/model" });
    const few = { latency_predictions: 10, heap_warm_up_predictions: 10, heap_predictions: 10 };
    const run = (config: object) => engine.testing.run("model", "ml", { config: { ...few, ...config } });
    const { record } = await run({ wrong_shape: { prices: 7 }, empty: {} });
    expect(record).toMatchObject({ passed: true, config: { wrong_shape: { prices: 7 }, empty: {} } });
    const accepted = await run({ empty: { prices: [1, 2] } });
    expect(accepted.record.tests.filter(({ outcome }) => outcome !== "PASSED").map(({ name }) => name)).toEqual([
      "empty_is_clean_error",
    ]);
  });
});

describe("an earlier run as a gate", () => {
  const passing = [{ name: "counts", method: "count" }];
  const swap = (testRun: string, newVersionPath = "suites/trader") =>
    engine.modules.swap("counter", { testRun, newVersionPath });

  beforeEach(async () => {
    await engine.testing.createSuite("counts", { tests: passing });
    await engine.modules.load("counter");
  });

  it("admits the code that it tested without another run", async () => {
    const { name, record } = await engine.testing.run("counter", "trading", {
      modulePath: "suites/trader",
      config: { latency_orders: 10 },
    });
    expect(record.passed).toBe(true);
    const result = await swap(name);
    expect(result.steps.find((step) => step.name === "gate")?.detail).toBe(
      `run ${name} of suite trading: 10 of 10 passed`,
    );
    expect(result.swapped).toBe(true);
    expect(engine.testing.listRuns("counter")).toHaveLength(1);
  });

  it("blocks other code, and the error has both digests", async () => {
    const { name, record } = await engine.testing.run("counter", "counts");
    const { artifact } = await engine.modules.resolveFresh("counter", { modulePath: "suites/trader" });
    const result = await swap(name);
    expect(result).toMatchObject({ swapped: false, failedStep: "gate" });
    expect(result.failure).toContain(
      `run ${name} tested other code: artifact ${record.artifact}, the candidate is ${artifact}`,
    );
  });

  it("must have passed, be of the module, and exist", async () => {
    await engine.testing.createSuite("fails", { tests: [{ name: "refuses", method: "refuse" }] });
    const candidate = engine.modules.activeInstance("counter");
    const failed = await engine.testing.run("counter", "fails");
    expect(engine.testing.gateByRun(failed.name, candidate)).toEqual({
      passed: false,
      detail: expect.stringContaining("did not pass: 0 of 1 passed; refuses: it failed: error"),
    });
    const cancelled = await engine.testing.run("counter", "counts", { signal: AbortSignal.abort() });
    expect(engine.testing.gateByRun(cancelled.name, candidate).detail).toBe(`run ${cancelled.name} is CANCELLED`);
    await engine.modules.register("other", { modulePath: "suites/counter" });
    const others = await engine.testing.run("other", "counts");
    expect(engine.testing.gateByRun(others.name, candidate).detail).toBe(
      `run ${others.name} was of module other, not of counter`,
    );
    expect(engine.testing.gateByRun("none", candidate)).toEqual({ passed: false, detail: "run none does not exist" });
  });

  it("must be of the requested suite, if there is one", async () => {
    const { name } = await engine.testing.run("counter", "counts");
    const candidate = engine.modules.activeInstance("counter");
    const { signal } = new AbortController();
    expect(engine.testing.gateByRun(name, candidate).passed).toBe(true);
    const subject = { ...candidate, peers: [], start: () => engine.modules.startFresh("counter") };
    expect(await engine.testing.gate({ suite: "counts", run: name }, subject, signal)).toMatchObject({
      passed: true,
    });
    expect(await engine.testing.gate({ suite: "trading", run: name }, subject, signal)).toEqual({
      passed: false,
      detail: `run ${name} was of suite counts, not of trading`,
    });
  });
});

describe("the gate of a swap", () => {
  it("is cancelled by its signal", async () => {
    await engine.testing.createSuite("hangs", { tests: [{ name: "hangs", method: "hang" }] });
    const candidate = await engine.modules.startFresh("counter");
    const subject = { ...candidate, peers: [], start: async () => candidate };
    const abort = new AbortController();
    const judged = engine.testing.gate({ suite: "hangs", run: "" }, subject, abort.signal);
    await until(() => engine.testing.listRuns("counter").length !== 0);
    abort.abort();
    expect(await judged).toEqual({ passed: false, detail: "the run was CANCELLED" });
    expect(await candidate.instance.ended).toMatchObject({ expected: true });
  });

  it("admits code that passes, blocks code that fails, and stores both runs", async () => {
    await engine.testing.createSuite("one", { tests: [{ name: "is_one", method: "count", expect: "output == 1.0" }] });
    await engine.testing.createSuite("two", { tests: [{ name: "is_two", method: "count", expect: "output == 2.0" }] });
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
