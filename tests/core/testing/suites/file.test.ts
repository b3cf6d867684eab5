import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { createEngine, type Engine, isReason, type Run, silentLog, systemClock } from "../../../../src/core/index.ts";
import { createModuleHost } from "../../../../src/core/modules/host/index.ts";
import type { Instance } from "../../../../src/core/modules/host/types/host.ts";
import { createFileSuites } from "../../../../src/core/testing/suites/file.ts";
import { SOAK } from "../../../support/soak.ts";
import { turn } from "../../../support/turns.ts";
import { hanging, ownRoot } from "../../modules/rig.ts";
import { sharedReaper } from "../../modules/shared-reaper.ts";
import { sharedEngine } from "../engine-rig.ts";

const FIXTURES = join(import.meta.dirname, "../../../fixtures/modules");

const COUNTER = readFileSync(join(FIXTURES, "suites/counter.ts"), "utf8");
const shared = sharedEngine();

/** An engine over a root with the module counter and these files. */
async function engineWith(files: Record<string, string>): Promise<Engine> {
  const engine = shared.engine();
  shared.write({ "counter.ts": COUNTER, ...files });
  await engine.modules.register("counter", { modulePath: "counter" });
  return engine;
}

const thrown = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => Promise.reject(new Error("it was not refused")),
    (error: unknown) => error,
  );

const received = ({ record }: Run): (readonly [string, string, string])[] =>
  record.tests.map(({ name, outcome, message }) => [name, outcome, message] as const);

describe("a suite that is a file", () => {
  const ofFixtures = sharedEngine({ modulesRoot: FIXTURES });
  let engine: Engine;

  beforeEach(async () => {
    engine = ofFixtures.engine();
    await engine.modules.register("counter", { modulePath: "suites/counter" });
  });

  it("runs its tests on the instance, each until it ends, throws or times out", async () => {
    const run = await engine.testing.run("counter", "suites/counter_suite.ts");
    expect(received(run)).toEqual([
      ["counts", "PASSED", ""],
      ["tells_errors", "PASSED", ""],
      ["fails", "FAILED", "not as it should be"],
      [
        "answers_no_json",
        "ERRORED",
        "suite suites/counter_suite.ts: output.of is a function, which JSON does not have",
      ],
      ["is_cut_off", "TIMED_OUT", "it took longer than 0.1 s"],
      ["goes_on_after_that", "PASSED", ""],
    ]);
    const { record } = run;
    expect(record).toMatchObject({ suite: "suites/counter_suite.ts", passed: true, totalTests: 6, version: "1.0.0" });
    expect(record.tests[0]?.output).toEqual({
      counts: [1, 2],
      methods: ["count", "crash", "hang", "refuse", "repeat"],
    });
    expect(record.tests[1]?.output).toEqual(["MODULE_METHOD_FAILED", "MODULE_METHOD_NOT_FOUND"]);
  });

  it("is recognised by a slash or an extension in its name, and may be a module's own suite", async () => {
    await engine.modules.register("own", { modulePath: "suites/counter", testSuite: "suites/counter_suite" });
    expect((await engine.testing.run("own")).record).toMatchObject({ suite: "suites/counter_suite", passed: true });
    const register = (testSuite: string) =>
      engine.modules.register("other", { modulePath: "suites/counter", testSuite }, { replace: true });
    expect((await register(`${"d/".repeat(500)}s`)).name).toBe("other");
    expect(isReason(await thrown(register("d/".repeat(513))), "ARGUMENT_INVALID")).toBe(true);
    expect(isReason(await thrown(register("s".repeat(129))), "ARGUMENT_INVALID")).toBe(true);
    const created = engine.testing.createSuite("mine.ts", { tests: [{ name: "t", method: "count" }] });
    expect(await thrown(created)).toMatchObject({ message: "suite.name: mine.ts would be taken for a file" });
  });

  it("can be a gate of a swap", async () => {
    await engine.modules.load("counter");
    const { swapped, steps } = await engine.modules.swap("counter", { testSuite: "suites/counter_suite.ts" });
    expect(swapped).toBe(true);
    expect(steps.find(({ name }) => name === "gate")?.detail).toBe("suite suites/counter_suite.ts: 3 of 6 passed");
  });

  it("accepts no configuration", async () => {
    const error = await thrown(engine.testing.run("counter", "suites/counter_suite.ts", { config: { x: 1 } }));
    expect(error).toMatchObject({
      message: "config.x: is not a setting of suite suites/counter_suite.ts; it has no settings",
    });
  });
});

describe("a wrong suite file", () => {
  const test = (fields: string): string =>
    `export default [{ name: "a", run() {} }, { name: "b", run() {}, ${fields} }]`;

  const isRefused = async (text: string, problem: string | RegExp): Promise<void> => {
    const engine = await engineWith({ "wrong.ts": text });
    const error = await thrown(engine.testing.run("counter", "wrong.ts"));
    expect(isReason(error, "SUITE_INVALID") && error.metadata).toMatchObject({ name: "wrong.ts", file: "wrong.ts" });
    const said = isReason(error, "SUITE_INVALID") ? error.metadata.problem : "";
    if (typeof problem === "string") expect(said).toBe(problem);
    else expect(said).toMatch(problem);
    const [run] = engine.testing.listRuns("counter");
    expect(run?.record).toMatchObject({ state: "INTERRUPTED", passed: false, failure: (error as Error).message });
  };

  it.each<[string, string, string | RegExp]>([
    ["exports nothing", "export const suite = [];", "it default-exports nothing, not a list of tests"],
    ["throws", 'throw new TypeError("at import")', "it cannot be imported: TypeError: at import"],
    ["ends", "process.exit(3)", "it cannot be imported: it ended while starting: exit code 3"],
    [
      "writes files",
      'import { writeFileSync } from "node:fs"; writeFileSync("x", "")',
      /^it cannot be imported: .*restricted/,
    ],
    ["has two tests with one name", test('name: "a"'), "two tests have the name a"],
    [
      "has a test without a name",
      "export default [{ run() {} }]",
      "test 1: name must be a text of 1 to 128 characters",
    ],
    ["has a test with a timeout of 0", test("timeoutMs: 0"), "test 2: timeoutMs must be from 1 to 600000"],
    [
      "has a description that cannot be sent",
      test("description: () => 1"),
      /description is a function, which JSON does not have/,
    ],
  ])("a suite file that %s is refused with the reason, and leaves nothing behind", (_, text, problem) =>
    isRefused(text, problem),
  );

  it.each<[string, string, string | RegExp]>([
    [
      "exports something other than a list",
      "export default {}",
      "it default-exports a value of type object, not a list of tests",
    ],
    ["exports an empty list", "export default []", "it has no tests"],
    ["exports too many tests", "export default Array(1001).fill({})", /^test 1: name must be/],
    ["has an invalid test", "export default [7]", "test 1: name must be a text of 1 to 128 characters"],
    ["has a test without a function", test("run: 7"), "test 2: run must be a function"],
    ["has a test with an invalid `required`", test("required: 1"), "test 2: required must be true or false"],
  ])("a suite file that %s is refused with the reason, and leaves nothing behind", SOAK, (_, text, problem) =>
    isRefused(text, problem),
  );

  it("a suite file that hangs is given up", async () => {
    const { path } = await ownRoot({ "s.ts": 'console.log("hanging"); await new Promise(() => {});' });
    const { hostClock, log, hangs } = hanging();
    const host = createModuleHost({ root: path, clock: hostClock, reaper: sharedReaper });
    onTestFinished(() => host.close());
    const opening = thrown(createFileSuites(host, log).open("s.ts"));
    await hangs;
    hostClock.advance(10_000);
    expect(await opening).toMatchObject({
      message: "test suite s.ts: it cannot be imported: it took longer than 10 s",
    });
  });

  it("is ended if its tests cannot be read, as is a good one after its run", async () => {
    const { path } = await ownRoot({ "wrong.ts": "export default {};", "right.ts": test("required: false") });
    const host = createModuleHost({ root: path, clock: systemClock, reaper: sharedReaper });
    onTestFinished(() => host.close());
    const started: Instance[] = [];
    const start: typeof host.start = async (...how) => {
      const instance = await host.start(...how);
      started.push(instance);
      return instance;
    };
    const files = createFileSuites({ resolve: host.resolve, start }, silentLog);
    await thrown(files.open("wrong.ts"));
    const right = await files.open("right.ts");
    expect(right.tests.map(({ name, required }) => [name, required])).toEqual([
      ["a", true],
      ["b", false],
    ]);
    right.close();
    const endings = await Promise.all(started.map(({ ended }) => ended));
    expect(endings.map(({ description }) => description)).toEqual(["killed by SIGKILL", "killed by SIGKILL"]);
  });

  it("a suite file that is missing, outside the root, or imports such a file is refused before a run begins", async () => {
    const engine = await engineWith({ "s.ts": 'import "./nothing.ts"; export default [];' });
    expect(await thrown(engine.testing.run("counter", "s.ts"))).toMatchObject({
      message: "test suite s.ts: s.ts:1 imports ./nothing.ts, which does not exist",
    });
    const missing = await thrown(engine.testing.run("counter", "tests/none.ts"));
    expect(isReason(missing, "SUITE_NOT_FOUND")).toBe(true);
    const outside = await thrown(engine.testing.run("counter", "../none.ts"));
    expect(isReason(outside, "SUITE_INVALID") && outside.message).toContain("../none.ts");
    expect(engine.testing.listRuns("counter")).toEqual([]);
  });
});

describe("a test of a suite file", () => {
  const three = (run: string): string => `export default [
    { name: "before", run() {} },
    { name: "bad", ${run} },
    { name: "after", run: () => 1 },
  ];`;

  it("is an error if it ends the process, and so are the tests after it", async () => {
    const engine = await engineWith({ "s.ts": three("run() { process.exit(5); }") });
    expect(received(await engine.testing.run("counter", "s.ts"))).toEqual([
      ["before", "PASSED", ""],
      ["bad", "ERRORED", "suite s.ts ended: exit code 5"],
      ["after", "ERRORED", "suite s.ts ended: exit code 5"],
    ]);
  });

  it("times out if it loops, and ends the suite", async () => {
    const { path } = await ownRoot({
      "counter.ts": COUNTER,
      "s.ts": three('timeoutMs: 200, run() { console.log("hanging"); for (;;); }'),
    });
    const { hostClock: clock, log, hangs } = hanging();
    const engine = await createEngine({ modulesRoot: path, clock, log });
    onTestFinished(() => engine.close());
    await engine.modules.register("counter", { modulePath: "counter", blockTimeoutMs: 60_000 });
    const run = engine.testing.run("counter", "s.ts");
    await hangs;
    clock.advance(200);
    await turn();
    for (let second = 0; second < 6; second += 1) {
      clock.advance(1000);
      await turn();
    }
    expect(received(await run)).toEqual([
      ["before", "PASSED", ""],
      ["bad", "TIMED_OUT", "it took longer than 0.2 s"],
      ["after", "ERRORED", "suite s.ts ended: event loop blocked for 5 s"],
    ]);
  });

  it("is an error, not a failure, if the module crashes during it", async () => {
    const crash = 'async run(module) { await module.call("crash"); }';
    const engine = await engineWith({ "s.ts": three(crash) });
    const [, bad, after] = received(await engine.testing.run("counter", "s.ts"));
    expect(bad).toEqual(["bad", "ERRORED", "module counter ended while it was needed: exit code 3"]);
    expect(after).toEqual(["after", "SKIPPED", "the instance ended before"]);
  });

  it("is notified when the run is cancelled", async () => {
    const run = `async run(module, { signal }) {
      await module.call("count");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    }`;
    const engine = await engineWith({
      "s.ts": `export default [{ name: "waits", ${run} }, { name: "after", run() {} }]`,
    });
    const running = engine.testing.run("counter", "s.ts", { progress: { testStarted: () => cancel() } });
    const cancel = (): void => {
      const [found] = engine.testing.listRuns("counter");
      if (found !== undefined) void engine.testing.cancelRun(found.name);
    };
    const cancelled = await running;
    expect(cancelled.record.state).toBe("CANCELLED");
    expect(cancelled.record.tests.map(({ outcome }) => outcome)).toEqual(["SKIPPED", "SKIPPED"]);
  });

  it("can send and receive bytes", async () => {
    const module = "export default class { double(bytes) { return new Uint8Array([...bytes, ...bytes]); } }";
    const suite = `export default [{ name: "doubles", async run(module) {
      const bytes = await module.call("double", new Uint8Array([1, 2]));
      return bytes instanceof Uint8Array ? [...bytes] : "no bytes";
    } }]`;
    const engine = await engineWith({ "bytes.js": module, "s.ts": suite });
    await engine.modules.register("bytes", { modulePath: "bytes" });
    expect((await engine.testing.run("bytes", "s.ts")).record.tests[0]?.output).toEqual([1, 2, 1, 2]);
  });
});
