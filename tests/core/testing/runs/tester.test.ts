import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type Engine, type Tester } from "../../../../src/core/index.ts";
import { sharedEngine } from "../engine-rig.ts";

const clock = createManualClock();
const shared = sharedEngine({ modulesRoot: join(import.meta.dirname, "../../../fixtures/modules"), clock });
let engine: Engine;
let tester: Tester;

beforeEach(async () => {
  engine = shared.engine();
  await engine.modules.register("counter", { modulePath: "suites/counter" });
  tester = engine.testing.createTester("counter");
});

async function outcomes(): Promise<[string, string, string][]> {
  await tester.runTests();
  const tests = tester.getTestReport()?.run.record.tests ?? [];
  return tests.map(({ name, outcome, message }) => [name, outcome, message]);
}

describe("a tester", () => {
  it("passes a test that returns true, fails one that returns false or throws, and reports the figures of the specification", async () => {
    expect(tester.getTestReport()).toBeUndefined();
    tester
      .addTest("counts", async (instance) => (await instance.call("count")) === 1)
      .addTest("at_once", () => true)
      .addTest("returns_false", async (instance) => (await instance.call("count")) === 1, { required: false })
      .addTest("throws", () => Promise.reject(new Error("thrown by the test")), { required: false });
    expect(await tester.runTests()).toBe(true);
    expect(tester.getTestReport()).toMatchObject({
      module: "counter",
      total_tests: 4,
      passed: true,
      results: { passed: 2, failed: 2, timed_out: 0, errored: 0, skipped: 0 },
      run: { record: { version: "1.0.0", target: "FRESH", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
    });
    expect(tester.getTestReport()?.run.record.tests.map(({ message }) => message)).toEqual([
      "",
      "",
      "it returned false",
      "thrown by the test",
    ]);
  });

  it("does not pass if a required test fails", async () => {
    tester.addTest("fails", () => false);
    expect(await tester.runTests()).toBe(false);
  });

  it("distinguishes an error of the method from a crash, and runs nothing after the crash", async () => {
    const failing = (method: string) => async (instance: { call(method: string): Promise<unknown> }) => {
      await instance.call(method);
      return true;
    };
    tester
      .addTest("refused", failing("refuse"))
      .addTest("crashed", failing("crash"))
      .addTest("after", () => true);
    expect(await outcomes()).toEqual([
      ["refused", "FAILED", "refuse of module counter failed: not that"],
      ["crashed", "ERRORED", "module counter ended while it was needed: exit code 3"],
      ["after", "SKIPPED", "the instance ended before"],
    ]);
  });

  it("ends a test that takes too long, and its later calls do not reach the instance", async () => {
    let calls = 0;
    const loop = async (instance: { call(method: string): Promise<unknown> }) => {
      for (; calls < 20; calls += 1) {
        await instance.call("count");
        clock.advance(40);
      }
      return true;
    };
    tester
      .addTest("loops", loop, { timeoutMs: 100 })
      .addTest(
        "counts_on",
        async (instance) => (await instance.call("count")) === 4 && (await instance.call("count")) === 5,
      );
    expect(await outcomes()).toEqual([
      ["loops", "TIMED_OUT", "it took longer than 0.1 s"],
      ["counts_on", "PASSED", ""],
    ]);
  });

  it("says of a call without an answer that it took too long", async () => {
    const hangs = async (instance: { call(method: string): Promise<unknown> }) => {
      const answer = instance.call("hang");
      clock.advance(100);
      await answer;
      return true;
    };
    tester.addTest("hangs", hangs, { timeoutMs: 100 });
    expect(await outcomes()).toEqual([["hangs", "TIMED_OUT", "it took longer than 0.1 s"]]);
  });

  it("allows a call to remain unanswered", async () => {
    tester.addTest("leaves", (instance) => {
      void instance.call("hang");
      return true;
    });
    expect(await tester.runTests()).toBe(true);
  });

  it("tests the given instance", async () => {
    await engine.modules.load("counter");
    tester.addTest("counts", async (instance) => (await instance.call("count")) === 1);
    const active = engine.modules.activeInstance("counter");
    expect([await tester.runTests(active), await tester.runTests(active)]).toEqual([true, false]);
    expect(tester.getTestReport()?.run.record.target).toBe("ACTIVE");
  });

  it("starts with the tests of the named suite, and refuses a duplicate name", () => {
    const begun = engine.testing.createTester("counter", "trading");
    expect(() => begun.addTest("accepts_valid_order", () => true)).toThrow(
      "there is already a test named accepts_valid_order",
    );
    expect(() => engine.testing.createTester("counter", "nothing")).toThrow(/nothing does not exist/);
  });
});
