import { join } from "node:path";
import { create, fromJson, type MessageInitShape } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  GetModuleRequestSchema,
  InvokeModuleRequestSchema,
  ModuleService,
} from "../../gen/helios/v1/module_service_pb.ts";
import { TestOutcome, type TestResultSchema, type Trial } from "../../gen/helios/v1/test_pb.ts";
import { TestService } from "../../gen/helios/v1/test_service_pb.ts";
import { createEngine, type Engine, systemClock } from "../../src/core/index.ts";
import { checkOf } from "../../src/server/interceptors/validation.ts";
import { createModuleService } from "../../src/server/services/module.ts";
import { createTestService } from "../../src/server/services/test.ts";
import { clientOf, failure } from "./served.ts";

let engine: Engine;
let tests: Client<typeof TestService>;
let modules: Client<typeof ModuleService>;

beforeEach(async () => {
  engine = await createEngine({ modulesRoot: join(import.meta.dirname, "../fixtures/modules") });
  await engine.modules.register("echo", { modulePath: "echo", isolation: "THREAD" });
  const { testing, requests } = engine;
  const newId = () => crypto.randomUUID();
  const service = createModuleService({ modules: engine.modules, trials: testing, clock: systemClock, newId });
  tests = clientOf(TestService, createTestService({ testing }), requests);
  modules = clientOf(ModuleService, service, requests);
});

afterEach(() => engine.close());

const json = (value: Parameters<typeof fromJson>[1]) => fromJson(ValueSchema, value);
const input = { case: "json", value: json({ x: 1 }) } as const;

async function open(request: Parameters<typeof tests.openTrial>[0] = { name: "echo" }): Promise<Trial> {
  const { trial } = await tests.openTrial(request);
  if (trial === undefined) throw new Error("there is no trial");
  return trial;
}

const invoke = (trial: string, name = "") => modules.invokeModule({ trial, name, method: "echo", input });

describe("a trial", () => {
  it("is opened, called, reported and closed", async () => {
    const trial = await open({ name: "echo", ttl: { seconds: 60n }, actor: "ana", reason: "release" });
    expect(trial).toMatchObject({ name: "echo", modulePath: "echo", version: "1.2.3" });
    expect(trial.methods).toContain("echo");
    expect(Number(trial.expireTime?.seconds) - Number(trial.createTime?.seconds)).toBe(60);
    const answer = await invoke(trial.id, "echo");
    expect(answer).toMatchObject({ output: input, version: "1.2.3", generation: 0, answeredBy: "echo" });
    expect((await invoke(trial.id)).output).toEqual(input);
    const report = {
      trial: trial.id,
      suite: "desk",
      tests: [
        {
          name: "answers",
          outcome: TestOutcome.PASSED,
          required: true,
          duration: { nanos: 2_000_000 },
          output: json(1),
        },
        { name: "sings", outcome: TestOutcome.FAILED, message: "it is silent" },
      ],
      actor: "ana",
    };
    const { run } = await tests.recordTestRun(report);
    expect(run).toMatchObject({ module: "echo", suite: "desk", passed: true, trial: trial.id, reportedBy: "ana" });
    expect(run).toMatchObject({ version: "1.2.3", sha256: trial.sha256, artifact: trial.artifact, suiteRun: "" });
    expect(run?.tests).toMatchObject([
      { ...report.tests[0], reported: true },
      { ...report.tests[1], reported: true, required: false },
    ]);
    expect(run?.results).toMatchObject({ passed: 1, failed: 1 });
    expect((await tests.getTestRun({ id: run?.id ?? "" })).run).toEqual(run);
    expect((await tests.listTestRuns({ name: "echo" })).runs).toEqual([run]);
    expect((await tests.closeTrial({ id: trial.id })).trial).toEqual(trial);
    expect(await failure(tests.closeTrial({ id: trial.id }))).toMatchObject({
      code: "NotFound",
      reason: "TRIAL_NOT_FOUND",
    });
    expect(await failure(invoke(trial.id))).toMatchObject({ code: "NotFound", reason: "TRIAL_NOT_FOUND" });
  });

  it("may run code that is not registered, without a name", async () => {
    const trial = await open({ modulePath: "echo" });
    expect(trial).toMatchObject({ name: "", modulePath: "echo" });
    expect(await invoke(trial.id)).toMatchObject({ answeredBy: "" });
    expect(await failure(invoke(trial.id, "echo"))).toMatchObject({
      reason: "ARGUMENT_INVALID",
      metadata: { field: "name" },
    });
  });

  it("whose report is sent again with the same request_id has one run", async () => {
    const { id } = await open();
    const report = { trial: id, tests: [{ name: "t", outcome: TestOutcome.PASSED, required: true }] };
    const requestId = crypto.randomUUID();
    const runs = [
      await tests.recordTestRun({ ...report, requestId }),
      await tests.recordTestRun({ ...report, requestId }),
    ];
    expect(runs[0]).toEqual(runs[1]);
    expect((await tests.listTestRuns({ name: "echo" })).runs).toHaveLength(1);
    const other = { ...report, requestId, suite: "other" };
    expect(await failure(tests.recordTestRun(other))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });

  it("is refused above the limit, which the error names", async () => {
    for (let index = 0; index < 8; index += 1) await open();
    const refusal = await failure(tests.openTrial({ name: "echo" }));
    expect(refusal).toMatchObject({ code: "ResourceExhausted", reason: "TRIALS_OVERLOADED", metadata: { open: "8" } });
  });

  it.each<[string, Parameters<typeof tests.openTrial>[0], string]>([
    ["without anything", {}, "name"],
    ["with a ttl below 0", { name: "echo", ttl: { seconds: -1n } }, "ttl"],
    ["with a ttl of 0", { name: "echo", ttl: {} }, "ttl"],
    ["with a ttl above 1 h", { name: "echo", ttl: { seconds: 3601n } }, "ttl"],
    ["with a name that no module can have", { name: "../echo" }, "name"],
    ["with a long name", { name: "e".repeat(121) }, "name"],
    ["with a long path", { modulePath: "e".repeat(1025) }, "module_path"],
  ])("is refused %s", async (_, request, field) => {
    expect(await failure(tests.openTrial(request))).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field } });
  });

  it.each<[string, { tests: MessageInitShape<typeof TestResultSchema>[] }, string]>([
    ["no test", { tests: [] }, "tests"],
    [
      "an outcome that is none",
      { tests: [{ name: "t", outcome: 9 as TestOutcome, required: true }] },
      "tests[0].outcome",
    ],
    ["no outcome", { tests: [{ name: "t", required: true }] }, "tests[0].outcome"],
    ["a test without a name", { tests: [{ outcome: TestOutcome.PASSED, required: true }] }, "tests[0].name"],
    [
      "a duration below 0",
      { tests: [{ name: "t", outcome: TestOutcome.PASSED, required: true, duration: { seconds: -1n } }] },
      "tests[0].duration",
    ],
  ])("has no report with %s", async (_, report, field) => {
    const { id } = await open();
    expect(await failure(tests.recordTestRun({ trial: id, ...report }))).toMatchObject({
      reason: "ARGUMENT_INVALID",
      metadata: { field },
    });
  });
});

describe("a call that names neither a module nor a trial", () => {
  const refusalOf = (message: MessageInitShape<typeof InvokeModuleRequestSchema>): ConnectError => {
    try {
      checkOf(InvokeModuleRequestSchema)(create(InvokeModuleRequestSchema, message));
    } catch (error) {
      return ConnectError.from(error);
    }
    throw new Error("it was accepted");
  };

  it("is refused as every request that must name a module", async () => {
    const nameless = await modules.getModule({}).catch(ConnectError.from);
    const refusal = await modules.invokeModule({ method: "echo" }).catch(ConnectError.from);
    expect(refusal).toMatchObject({
      code: Code.InvalidArgument,
      rawMessage: "name: must be at least 1 characters (and 1 more)",
    });
    expect(refusal).toMatchObject({ details: (nameless as ConnectError).details });
  });

  it("is told of all of its mistakes, with the name first", () => {
    const details = refusalOf({ input, routingKey: "x".repeat(257) }).details;
    const [violations] = new ConnectError("", Code.InvalidArgument, undefined, details as never).findDetails(
      ViolationsSchema,
    );
    const told = violations?.violations.map(({ field, ruleId }) => [field?.elements[0]?.fieldName, ruleId]);
    expect(told).toEqual([
      ["name", "string.min_len"],
      ["name", "string.pattern"],
      ["method", "string.min_len"],
      ["routing_key", "string.max_len"],
    ]);
  });

  it("may lack the name only with a trial, and may not have a wrong one with it", () => {
    checkOf(InvokeModuleRequestSchema)(create(InvokeModuleRequestSchema, { trial: "t", method: "m" }));
    expect(refusalOf({ trial: "t", method: "m", name: "../x" }).rawMessage).toMatch(/^name: does not match/);
    expect(refusalOf({ trial: "t".repeat(129), method: "m" }).rawMessage).toMatch(/^trial: /);
  });

  it("has the rules of GetModule for its name", () => {
    const rulesOf = (desc: typeof GetModuleRequestSchema | typeof InvokeModuleRequestSchema) =>
      ["a b", "x".repeat(121)].map((name) => {
        try {
          checkOf(desc)(create(desc as typeof InvokeModuleRequestSchema, { name, method: "m" }));
          return "accepted";
        } catch (error) {
          return ConnectError.from(error).rawMessage;
        }
      });
    expect(rulesOf(InvokeModuleRequestSchema)).toEqual(rulesOf(GetModuleRequestSchema));
  });
});
