import { fromJson, toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  TestOutcome,
  type TestResult as TestResultMessage,
  TestResultSchema,
  type TestRun,
  TestRunSchema,
  TestRunState,
  type TestSuite,
  TestSuiteSchema,
  TestTarget,
  type Trial,
  TrialSchema,
} from "../../../gen/helios/v1/test_pb.ts";
import {
  countsOf,
  fitReport,
  knownSize,
  type Run,
  type StandIns,
  type Suite,
  type TestCaseFields,
  type TestReportFields,
  type TestResult,
  type TrialInstance,
  WHOLE_BYTES,
} from "../../core/index.ts";
import {
  fromDuration,
  type JsonValue,
  toCause,
  toDuration,
  toOptionalTimestamp,
  toStruct,
  toTimestamp,
} from "./common.ts";
import { make, whole } from "./message.ts";

export function toSuite({ name, description, tests, defaultConfig, resource }: Suite): TestSuite {
  const abridged = resource !== undefined && knownSize(resource.record) > WHOLE_BYTES;
  return make(TestSuiteSchema, {
    name,
    description,
    tests: tests.map((test) => ({
      name: test.name,
      description: test.description,
      required: test.required,
      timeout: toDuration(test.timeoutMs),
      method: test.method ?? "",
      expect: test.expect ?? "",
      ...(test.input === undefined || abridged ? {} : { input: toValue(test.input) }),
    })),
    ...(resource?.record.stubs === undefined || abridged ? {} : { stubs: toStruct(resource.record.stubs) }),
    allowDependencies: [...(resource?.record.allowDependencies ?? [])],
    abridged,
    builtIn: resource === undefined,
    ...(defaultConfig === undefined ? {} : { defaultConfig: toStruct(defaultConfig) }),
    ...(resource === undefined
      ? {}
      : {
          revision: whole(resource.revision),
          etag: resource.etag,
          createTime: toTimestamp(resource.createTime),
          updateTime: toTimestamp(resource.updateTime),
        }),
  });
}

export function fromCases({ tests }: TestSuite): TestCaseFields[] {
  return tests.map(({ name, description, required, timeout, method, input, expect }) => ({
    name,
    description,
    required,
    timeoutMs: fromDuration(timeout),
    method,
    input: input === undefined ? null : toJson(ValueSchema, input),
    expect,
  }));
}

/** Returns the stand-ins that a suite or a request defines. The engine validates them. */
export function fromStandIns(said: Pick<TestSuite, "stubs" | "allowDependencies">): StandIns {
  return { stubs: said.stubs as StandIns["stubs"], allowDependencies: said.allowDependencies };
}

export const fromTarget = (target: TestTarget): "FRESH" | "ACTIVE" =>
  target === TestTarget.ACTIVE ? "ACTIVE" : "FRESH";

export function toResult(result: TestResult): TestResultMessage {
  const { name, outcome, required, durationMs, message, output, reported = false } = result;
  return make(TestResultSchema, {
    name,
    outcome: TestOutcome[outcome],
    required,
    duration: toDuration(durationMs),
    message,
    ...(output === undefined ? {} : { output: toValue(output) }),
    reported,
  });
}

const OUTCOMES = {
  [TestOutcome.PASSED]: "PASSED",
  [TestOutcome.FAILED]: "FAILED",
  [TestOutcome.TIMED_OUT]: "TIMED_OUT",
  [TestOutcome.ERRORED]: "ERRORED",
  [TestOutcome.SKIPPED]: "SKIPPED",
} as const;

/** Returns the results that a client reports. An absent duration is 0. */
export function fromResults(results: readonly TestResultMessage[]): TestReportFields["tests"] {
  return results.map(({ name, outcome, required, duration, message, output }) => ({
    name,
    outcome: OUTCOMES[outcome as keyof typeof OUTCOMES],
    required,
    durationMs: fromDuration(duration) ?? 0,
    message,
    ...(output === undefined ? {} : { output: toJson(ValueSchema, output) }),
  }));
}

export function toTrial({ createTime, expireTime, methods, ...trial }: TrialInstance): Trial {
  const times = { createTime: toTimestamp(createTime), expireTime: toTimestamp(expireTime) };
  return make(TrialSchema, { ...trial, methods: [...methods], ...times });
}

export function toRun({ name, record: stored, ...resource }: Run): TestRun {
  // An earlier version may have stored a longer report.
  const record = fitReport(stored);
  const { passed, failed, timed_out, errored, skipped } = countsOf(record.tests);
  const endTime = toOptionalTimestamp(record.endTime);
  return make(TestRunSchema, {
    id: name,
    module: record.module,
    suite: record.suite,
    target: TestTarget[record.target],
    state: TestRunState[record.state],
    passed: record.passed,
    totalTests: record.totalTests,
    results: { passed, failed, timedOut: timed_out, errored, skipped },
    duration: toDuration(record.durationMs),
    modulePath: record.modulePath,
    version: record.version,
    sha256: record.sha256,
    artifact: record.artifact,
    failure: record.failure ?? "",
    config: toStruct(record.config),
    shortened: record.shortened ?? false,
    trial: record.report?.trial ?? "",
    reportedBy: record.report?.by ?? "",
    suiteRun: record.report?.suiteRun ?? "",
    tests: record.tests.map(toResult),
    startTime: toTimestamp(record.startTime),
    ...(endTime === undefined ? {} : { endTime }),
    cause: toCause(record.cause),
    revision: whole(resource.revision),
    etag: resource.etag,
    createTime: toTimestamp(resource.createTime),
    updateTime: toTimestamp(resource.updateTime),
  });
}

const toValue = (json: unknown) => fromJson(ValueSchema, json as JsonValue);
