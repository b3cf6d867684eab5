import { join } from "node:path";
import { fromJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Client, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { errorInfo } from "../../clients/typescript/src/index.ts";
import { TestOutcome, type TestRun, TestRunState, TestTarget } from "../../gen/helios/v1/test_pb.ts";
import { type RunTestsResponse, TestService } from "../../gen/helios/v1/test_service_pb.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { compileExpectation } from "../../src/server/cel/expectation.ts";
import { createTestService } from "../../src/server/services/test.ts";
import { turn } from "../support/turns.ts";
import { testRunner } from "./runner.ts";

let engine: Engine;
let client: Client<typeof TestService>;

beforeEach(async () => {
  const modulesRoot = join(import.meta.dirname, "../fixtures/modules");
  engine = await createEngine({ modulesRoot, compileExpectation });
  await engine.modules.register("echo", { modulePath: "echo" });
  await engine.modules.register("misbehaving", { modulePath: "misbehaving" });
  const transport = createRouterTransport((router) =>
    router.service(TestService, testRunner().serve(TestService, createTestService({ testing: engine.testing }))),
  );
  client = createClient(TestService, transport);
});

afterEach(() => engine.close());

const reasonOf = (call: Promise<unknown>): Promise<string | undefined> =>
  call.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: unknown) => errorInfo(ConnectError.from(error))?.reason,
  );

const json = (value: Parameters<typeof fromJson>[1]) => fromJson(ValueSchema, value);

async function createEchoSuite(): Promise<void> {
  await client.createSuite({
    suite: {
      name: "echo",
      tests: [
        { name: "passes", method: "echo", input: json({ x: 1 }), expect: "output.x == 1.0" },
        { name: "fails", method: "echo", input: json({ x: 1 }), expect: "output.x == 2.0", required: false },
        { name: "errs", method: "echo", input: json({}), expect: "output.x == 2.0", required: false },
        { name: "times_out", method: "take_your_time", timeout: { nanos: 50_000_000 }, required: false },
        { name: "lacks", method: "nothing_such", required: false },
        { name: "lacks_and_needs", method: "nothing_such" },
      ],
    },
    actor: "alice",
  });
}

async function run(request: Parameters<typeof client.runTests>[0]): Promise<RunTestsResponse["frame"][]> {
  const frames: RunTestsResponse["frame"][] = [];
  for await (const { frame } of client.runTests(request)) frames.push(frame);
  return frames;
}

const report = (frames: RunTestsResponse["frame"][]): TestRun => {
  const last = frames.at(-1);
  if (last?.case !== "run") throw new Error("the report is not last");
  return last.value;
};

describe("suites", () => {
  it("are listed page by page together with the built-in ones, and can be read one by one", async () => {
    await createEchoSuite();
    const { suites, nextPageToken } = await client.listSuites({ pageSize: 3 });
    expect(suites.map(({ name, builtIn }) => [name, builtIn])).toEqual([
      ["data", true],
      ["echo", false],
      ["ml", true],
    ]);
    const rest = await client.listSuites({ pageSize: 3, pageToken: nextPageToken });
    expect(rest.suites.map(({ name }) => name)).toEqual(["trading"]);
    const { suite } = await client.getSuite({ name: "ml" });
    expect(suite?.defaultConfig).toMatchObject({ predict: "predict" });
    expect(suite?.tests.find(({ name }) => name === "predicts")?.description).not.toBe("");
  });

  it.each<[string, Parameters<typeof client.createSuite>[0]["suite"], string]>([
    [
      "an invalid expectation",
      { name: "s", tests: [{ name: "t", method: "m", expect: "output ==" }] },
      "SUITE_INVALID",
    ],
    [
      "two tests with one name",
      {
        name: "s",
        tests: [
          { name: "t", method: "m" },
          { name: "t", method: "m" },
        ],
      },
      "SUITE_INVALID",
    ],
    ["a test without a method", { name: "s", tests: [{ name: "t" }] }, "SUITE_INVALID"],
    ["no test", { name: "s", tests: [] }, "ARGUMENT_INVALID"],
    ["no suite", undefined, "ARGUMENT_INVALID"],
    ["the name of a built-in suite", { name: "ml", tests: [{ name: "t", method: "m" }] }, "SUITE_ALREADY_EXISTS"],
  ])("suites with %s are refused", async (_, suite, reason) => {
    expect(await reasonOf(client.createSuite(suite === undefined ? {} : { suite }))).toBe(reason);
  });

  it("can be deleted, except for the built-in ones", async () => {
    await createEchoSuite();
    expect(await reasonOf(client.createSuite({ suite: { name: "echo", tests: [{ name: "t", method: "m" }] } }))).toBe(
      "SUITE_ALREADY_EXISTS",
    );
    expect(await reasonOf(client.deleteSuite({ name: "echo", etag: "other" }))).toBe("ETAG_MISMATCH");
    expect((await client.deleteSuite({ name: "echo" })).suite?.name).toBe("echo");
    expect(await reasonOf(client.getSuite({ name: "echo" }))).toBe("SUITE_NOT_FOUND");
    expect(await reasonOf(client.deleteSuite({ name: "trading" }))).toBe("SUITE_BUILT_IN");
  });
});

describe("a run", () => {
  it("reports each test as it starts and ends, and at last the report, which is stored", async () => {
    await createEchoSuite();
    const frames = await run({ name: "echo", suite: "echo", actor: "bob", reason: "trial" });
    expect(frames.map((frame) => frame.case)).toEqual([
      "started",
      ...Array(6).fill(["testStarted", "testEnded"]).flat(),
      "run",
    ]);
    const last = report(frames);
    const { passed, failed, errored, timedOut, skipped } = last.results ?? {};
    expect([passed, failed, errored, timedOut, skipped]).toEqual([1, 2, 1, 1, 1]);
    expect(last.tests.map(({ outcome }) => outcome)).toEqual([
      TestOutcome.PASSED,
      TestOutcome.FAILED,
      TestOutcome.ERRORED,
      TestOutcome.TIMED_OUT,
      TestOutcome.SKIPPED,
      TestOutcome.FAILED,
    ]);
    expect(last).toMatchObject({ passed: false, totalTests: 6, version: "1.2.3", state: TestRunState.COMPLETED });
    expect(last.cause).toMatchObject({ action: "RunTests", actor: "bob", reason: "trial" });
    expect((await client.getTestRun({ id: last.id })).run).toEqual(last);
    expect((await client.listTestRuns({ name: "echo" })).runs).toEqual([last]);
  });

  it("has an instance of its own, unless the request asks for the serving one", async () => {
    await client.createSuite({ suite: { name: "alive", tests: [{ name: "t", method: "echo" }] } });
    expect(report(await run({ name: "echo", suite: "alive" })).passed).toBe(true);
    const active = { name: "echo", suite: "alive", target: TestTarget.ACTIVE };
    expect(await reasonOf(run(active))).toBe("MODULE_NOT_LOADED");
    await engine.modules.load("echo");
    expect(report(await run(active))).toMatchObject({ passed: true, target: TestTarget.ACTIVE });
  });

  it("a run of an unknown module or suite is refused", async () => {
    expect(await reasonOf(run({ name: "nothing", suite: "ml" }))).toBe("MODULE_NOT_FOUND");
    expect(await reasonOf(run({ name: "echo", suite: "nothing" }))).toBe("SUITE_NOT_FOUND");
    expect(await reasonOf(run({ name: "echo" }))).toBe("ARGUMENT_INVALID");
    expect(await reasonOf(run({ name: "echo", suite: "ml", moduleType: "data" }))).toBe("ARGUMENT_INVALID");
    expect(await reasonOf(run({ name: "echo", suite: "ml", config: { predcit: "x" } }))).toBe("ARGUMENT_INVALID");
    expect(await reasonOf(client.getTestRun({ id: "nothing" }))).toBe("RUN_NOT_FOUND");
    expect(await reasonOf(client.cancelTestRun({ id: "nothing" }))).toBe("RUN_NOT_FOUND");
  });

  it("is reported when it is accepted, so that a module that does not start is part of its report", async () => {
    await engine.modules.register("broken", { modulePath: "broken/throws_at_start" });
    const frames = await run({ name: "broken", suite: "data" });
    const [first] = frames;
    if (first?.case !== "started") throw new Error("the stream does not begin with the accepted run");
    expect(first.value).toMatchObject({ state: TestRunState.RUNNING, version: "", totalTests: 8, failure: "" });
    const last = report(frames);
    expect(last).toMatchObject({ id: first.value.id, state: TestRunState.COMPLETED, passed: false, failure: "" });
    expect(last.tests[0]).toMatchObject({ name: "starts", outcome: TestOutcome.FAILED });
    expect(last.results).toMatchObject({ failed: 1, skipped: 7 });
  });

  it("tests code before its deployment, and identifies it", async () => {
    const modulePath = "suites/trader.ts";
    const last = report(await run({ name: "echo", moduleType: "trading", modulePath }));
    expect(last).toMatchObject({ passed: true, modulePath, target: TestTarget.FRESH });
    expect(last.artifact).toMatch(/^[0-9a-f]{64}$/);
    expect(last.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(await reasonOf(run({ name: "echo", suite: "trading", modulePath: "none.ts" }))).toBe(
      "MODULE_FILE_NOT_FOUND",
    );
    const active = { name: "echo", suite: "trading", modulePath, target: TestTarget.ACTIVE };
    expect(await reasonOf(run(active))).toBe("ARGUMENT_INVALID");
  });

  it("can use a suite from a file", async () => {
    const suite = "suites/counter_suite.ts";
    const frames = await run({ name: "echo", suite, modulePath: "suites/counter.ts" });
    expect(report(frames)).toMatchObject({ passed: true, suite, totalTests: 6 });
    expect(await reasonOf(run({ name: "echo", suite: "none.ts" }))).toBe("SUITE_NOT_FOUND");
    expect(await reasonOf(run({ name: "echo", suite: "suites/counter.ts" }))).toBe("SUITE_INVALID");
    const [failed] = (await client.listTestRuns({ name: "echo" })).runs;
    expect(failed).toMatchObject({
      state: TestRunState.INTERRUPTED,
      failure: "test suite suites/counter.ts: it default-exports a value of type function, not a list of tests",
    });
  });

  it("calls stubs of its caller, of its suite, and of the module's registration", async () => {
    const gateway = (answer: string) => ({ gateway: { order: { answer } } });
    const fields = { modulePath: "registry/caller", dependencies: ["gateway"], testStubs: gateway("registered") };
    await engine.modules.register("caller", fields);
    const ask = { name: "asks", method: "ask", input: json({ of: "gateway", method: "order" }) };
    const suite = { name: "stubbed", tests: [ask], stubs: gateway("of the suite"), allowDependencies: ["gateway"] };
    const created = await client.createSuite({ suite });
    expect(created.suite).toMatchObject({ stubs: suite.stubs, allowDependencies: ["gateway"] });
    expect((await client.getSuite({ name: "stubbed" })).suite).toMatchObject({ stubs: suite.stubs });
    await client.createSuite({ suite: { name: "plain", tests: [ask] } });
    const answers = async (request: Parameters<typeof client.runTests>[0]) =>
      report(await run({ name: "caller", ...request })).tests.map(({ output }) => output);
    expect(await answers({ suite: "plain" })).toEqual([json({ answer: { answer: "registered" } })]);
    expect(await answers({ suite: "stubbed" })).toEqual([json({ answer: { answer: "of the suite" } })]);
    const asked = { suite: "stubbed", stubs: gateway("of the caller") };
    expect(await answers(asked)).toEqual([json({ answer: { answer: "of the caller" } })]);
    const { run: tested } = await client.testModule({ name: "caller", ...asked });
    expect(tested?.tests[0]?.output).toEqual(json({ answer: { answer: "of the caller" } }));
    const wrong = [{ stubs: { gatway: {} } }, { stubs: { gateway: 3 } }, { allowDependencies: ["gatway"] }];
    for (const each of wrong)
      expect(await reasonOf(run({ name: "caller", suite: "plain", ...each }))).toBe("ARGUMENT_INVALID");
  });

  it("ends when it is cancelled, and skips the remaining tests", async () => {
    const tests = [
      { name: "hangs", method: "hang" },
      { name: "next", method: "nothing" },
    ];
    await client.createSuite({ suite: { name: "hanging", tests } });
    const frames = client.runTests({ name: "misbehaving", suite: "hanging" })[Symbol.asyncIterator]();
    const { value } = await frames.next();
    const id = (value as RunTestsResponse).frame.value as TestRun;
    await frames.next();
    const { run: cancelled } = await client.cancelTestRun({ id: id.id });
    expect(cancelled).toMatchObject({ state: TestRunState.CANCELLED, passed: false });
    expect(cancelled?.tests.map(({ outcome }) => outcome)).toEqual([TestOutcome.SKIPPED, TestOutcome.SKIPPED]);
  });

  it("is cancelled when its caller leaves", async () => {
    await client.createSuite({ suite: { name: "hanging", tests: [{ name: "hangs", method: "hang" }] } });
    const caller = new AbortController();
    const stream = client.runTests({ name: "misbehaving", suite: "hanging" }, { signal: caller.signal });
    const frames = stream[Symbol.asyncIterator]();
    await frames.next();
    caller.abort();
    await frames.next().catch(() => {});
    while (engine.testing.listRuns("misbehaving")[0]?.record.state === "RUNNING") {
      await turn();
    }
    expect(engine.testing.listRuns("misbehaving")[0]?.record.state).toBe("CANCELLED");
  });
});
