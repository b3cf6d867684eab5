import { describe, expect, it } from "vitest";
import {
  createEngine,
  type TestReportFields,
  type TestResult,
  type TrialInstance,
} from "../../../../src/core/index.ts";
import { encodedSize } from "../../../../src/core/json/size.ts";
import { EndedTrials } from "../../../../src/core/testing/trials/ended-trials.ts";
import { MOST_ENDED_TRIALS, type TrialCode } from "../../../../src/core/testing/trials/trial-instance.ts";
import { errorOf } from "../../../support/errors.ts";
import { ownRoot } from "../../modules/rig.ts";
import { sharedEngine } from "../engine-rig.ts";

const shared = sharedEngine();

const model = (version: string): string => `export default class {
  static version = "${version}";
  predict() { return { prediction: "up", confidence: 0.5 }; }
}`;

const passed = (name: string, more: Partial<TestResult> = {}): TestResult => {
  return { name, outcome: "PASSED", required: true, durationMs: 2, message: "", ...more };
};

async function desk() {
  shared.write({ "model.js": model("1"), "model_v2.js": model("2") });
  const engine = shared.engine();
  await engine.modules.register("model", { modulePath: "model", isolation: "THREAD" });
  await engine.testing.createSuite("smoke", { tests: [{ name: "predicts", method: "predict" }] });
  return engine;
}

/** Opens a trial, and closes it at once: the report comes later. */
async function trialOf(name: string, modulePath?: string): Promise<TrialInstance> {
  const { testing } = shared.engine();
  return testing.closeTrial((await testing.openTrial(name, { modulePath })).id);
}

const refusal = async (trial: TrialInstance, report: TestReportFields) => {
  const { reason, metadata } = await errorOf(shared.engine().testing.recordRun(trial.id, report));
  return [reason, metadata];
};

describe("a report of a client's tests", () => {
  it("is stored as a run of the module on the code of the trial", async () => {
    const { testing } = await desk();
    const trial = await trialOf("model", "model_v2");
    const tests = [
      passed("first", { output: { x: 1 } }),
      passed("second", { outcome: "FAILED", required: false, message: "no" }),
    ];
    const run = await testing.recordRun(trial.id, { tests }, { actor: "ana", reason: "release" });
    const { version, sha256, artifact, modulePath, createTime } = trial;
    expect(run.record).toMatchObject({ module: "model", suite: "(reported)", state: "COMPLETED", passed: true });
    expect(run.record).toMatchObject({ version, sha256, artifact, modulePath, startTime: createTime, durationMs: 4 });
    expect(run.record.tests).toEqual(tests.map((test) => ({ ...test, reported: true })));
    expect(run.record.report).toEqual({ trial: trial.id, by: "ana" });
    expect(run.record.cause).toEqual({ action: "RecordTestRun", actor: "ana", reason: "release" });
    expect(version).toBe("2");
    expect(testing.getRun(run.name)).toEqual(run);
    expect(testing.listRuns("model")).toEqual([run]);
  });

  it("fails if a required test has not passed, and may name its tests", async () => {
    const { testing } = await desk();
    const trial = await trialOf("model");
    for (const outcome of ["FAILED", "TIMED_OUT", "ERRORED", "SKIPPED"] as const) {
      const tests = [passed("good"), passed("bad", { outcome })];
      const { record } = await testing.recordRun(trial.id, { suite: "desk:checks", tests });
      expect([record.passed, record.suite]).toEqual([false, "desk:checks"]);
    }
  });

  it("begins with the results of the service's own run on the same code", async () => {
    const { testing } = await desk();
    const trial = await trialOf("model", "model_v2");
    const own = await testing.run("model", "smoke", { modulePath: "model_v2" });
    const { name, record } = await testing.recordRun(trial.id, { runId: own.name, tests: [passed("mine")] });
    expect(record.tests.map((test) => [test.name, test.reported ?? false])).toEqual([
      ["predicts", false],
      ["mine", true],
    ]);
    expect(record).toMatchObject({ suite: "smoke", passed: true, totalTests: 2, report: { suiteRun: own.name } });
    expect(record.durationMs).toBe(own.record.durationMs + 2);
    expect((await refusal(trial, { runId: name, tests: [passed("x")] }))[1]).toMatchObject({
      problem: "its results were reported by a client",
    });
  });

  it("fails if that run has failed", async () => {
    const { testing } = await desk();
    await testing.createSuite("strict", { tests: [{ name: "lacks", method: "nothing" }] });
    const own = await testing.run("model", "strict");
    const { record } = await testing.recordRun((await trialOf("model")).id, { runId: own.name, tests: [passed("m")] });
    expect(record.passed).toBe(false);
  });

  it("is the gate of a swap of exactly that code", async () => {
    const { testing, modules } = await desk();
    await modules.load("model");
    const trial = await trialOf("model", "model_v2");
    const { name: testRun } = await testing.recordRun(trial.id, { tests: [passed("mine")] }, { actor: "ana" });
    const newVersionPath = "model_v2";
    const swapped = await modules.swap("model", { newVersionPath, testRun });
    expect(swapped).toMatchObject({ swapped: true, toVersion: "2" });
    expect(swapped.steps.find(({ name }) => name === "gate")?.detail).toContain("with tests reported by ana");
    shared.write({ "model_v2.js": model("3") });
    const other = await modules.swap("model", { newVersionPath, testRun });
    expect(other).toMatchObject({ swapped: false });
    expect(other.steps.find(({ name }) => name === "gate")?.detail).toContain("tested other code");
  });

  it("does not replace a suite that a swap requires, but may extend it", async () => {
    const { testing, modules } = await desk();
    await modules.load("model");
    const trial = await trialOf("model", "model_v2");
    const tests = [passed("mine")];
    const alone = await testing.recordRun(trial.id, { suite: "later", tests });
    await testing.createSuite("later", { tests: [{ name: "predicts", method: "predict" }] });
    const swap = { newVersionPath: "model_v2", testSuite: "later" };
    const refused = await modules.swap("model", { ...swap, testRun: alone.name });
    expect(refused.steps.find(({ name }) => name === "gate")?.detail).toContain("was reported by a client");
    const own = await testing.run("model", "later", { modulePath: "model_v2" });
    const both = await testing.recordRun(trial.id, { runId: own.name, tests });
    expect(await modules.swap("model", { ...swap, testRun: both.name })).toMatchObject({ swapped: true });
  });

  it("is refused with a run of other code, another module or another suite, or without a report", async () => {
    const { testing, modules } = await desk();
    const trial = await trialOf("model");
    await modules.register("twin", { modulePath: "model", isolation: "THREAD" });
    const tests = [passed("mine")];
    const problemOf = async (runId: string) => {
      const [reason, metadata] = await refusal(trial, { runId, tests });
      expect(reason).toBe("TEST_RUN_MISMATCH");
      return (metadata as Record<string, string>).problem;
    };
    const other = await testing.run("model", "smoke", { modulePath: "model_v2" });
    expect(await problemOf(other.name)).toMatch(
      /^it tested other code: artifact [0-9a-f]{64}, the trial runs [0-9a-f]{64}$/,
    );
    const twin = await testing.run("twin", "smoke");
    expect(await problemOf(twin.name)).toBe("it was of module twin, not of model");
    const cancelled = await testing.run("model", "smoke", { signal: AbortSignal.abort() });
    expect(await problemOf(cancelled.name)).toBe("it is CANCELLED");
    const own = await testing.run("model", "smoke");
    expect((await refusal(trial, { runId: own.name, suite: "trading", tests }))[1]).toMatchObject({ field: "suite" });
    expect((await refusal(trial, { runId: "nothing", tests }))[0]).toBe("RUN_NOT_FOUND");
  });

  it.each<[string, TestReportFields, string]>([
    ["no test", { tests: [] }, "tests"],
    ["too many tests", { tests: Array.from({ length: 1001 }, (_, index) => passed(`t${index}`)) }, "tests"],
    ["no required test", { tests: [passed("t", { required: false })] }, "tests"],
    ["a name twice", { tests: [passed("t"), passed("t")] }, "tests[1].name"],
    ["a test without a name", { tests: [passed("")] }, "tests[0].name"],
    ["a long name", { tests: [passed("x".repeat(129))] }, "tests[0].name"],
    ["half a character as a name", { tests: [passed("\ud800")] }, "tests[0].name"],
    ["a duration below 0", { tests: [passed("t", { durationMs: -1 })] }, "tests[0].duration"],
    ["a duration that is no number", { tests: [passed("t", { durationMs: Number.NaN })] }, "tests[0].duration"],
    ["an output that is no JSON", { tests: [passed("t", { output: 1n })] }, "tests[0].output"],
    ["the name of a built-in suite", { suite: "trading", tests: [passed("t")] }, "suite"],
    ["the name of a created suite", { suite: "smoke", tests: [passed("t")] }, "suite"],
    ["the name of a file", { suite: "suites/x", tests: [passed("t")] }, "suite"],
    ["a name that no suite can have", { suite: "(ready)", tests: [passed("t")] }, "suite"],
  ])("is refused with %s", async (_, report, field) => {
    await desk();
    expect(await refusal(await trialOf("model"), report)).toEqual([
      "ARGUMENT_INVALID",
      expect.objectContaining({ field }),
    ]);
  });

  it("has no test that the service's run has as well", async () => {
    const { testing } = await desk();
    const own = await testing.run("model", "smoke");
    expect(await refusal(await trialOf("model"), { runId: own.name, tests: [passed("predicts")] })).toEqual([
      "ARGUMENT_INVALID",
      { field: "tests[0].name", problem: "is predicts, which another test of the run is called" },
    ]);
  });

  it("is cut as every other report", async () => {
    const { testing } = await desk();
    const long = { message: "x".repeat(100_000), output: { text: "y".repeat(100_000) } };
    const tests = Array.from({ length: 1000 }, (_, index) => passed(`t${index}`, long));
    const { record } = await testing.recordRun((await trialOf("model")).id, { tests });
    expect(record).toMatchObject({ passed: true, totalTests: 1000, shortened: true });
    expect(encodedSize(record)).toBeLessThanOrEqual(1024 * 1024);
    const few = await testing.recordRun((await trialOf("model")).id, { tests: tests.slice(0, 1) });
    expect(few.record.tests[0]?.message).toHaveLength(1000);
  });

  it("of code that is not registered belongs to no module, and outlives a restart", async () => {
    const { path } = await ownRoot({ "model.js": model("1") });
    const options = { modulesRoot: path, dataDir: `${path}/data` };
    const first = await createEngine(options);
    const trial = await first.testing.openTrial("", { modulePath: "model" });
    const { name, record } = await first.testing.recordRun(trial.id, { tests: [passed("t")] });
    expect(record).toMatchObject({ module: "", modulePath: "model", version: "1" });
    expect(first.testing.listRuns("model")).toEqual([]);
    await first.close();
    const second = await createEngine(options);
    expect(second.testing.getRun(name).record).toEqual(record);
    await second.modules.register("model", { modulePath: "model" });
    expect(second.testing.listRuns("model")).toEqual([]);
    const verdict = second.testing.gateByRun(name, { ...record, name: "model" });
    expect(verdict).toEqual({ passed: false, detail: `run ${name} was of code that is not registered, not of model` });
    await second.close();
  });
});

it("the last ended trials are remembered, and the oldest are forgotten", () => {
  const ended = new EndedTrials();
  const trial = (id: number) => ({ id: String(id), name: "m" }) as TrialCode;
  for (let id = 0; id <= MOST_ENDED_TRIALS; id += 1)
    ended.add({ trial: trial(id), why: "it was closed", crash: undefined });
  expect([ended.find("0"), ended.find("1")?.id, ended.find(String(MOST_ENDED_TRIALS))?.id]).toEqual([
    undefined,
    "1",
    String(MOST_ENDED_TRIALS),
  ]);
});
