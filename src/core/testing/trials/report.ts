import { type By, causeOf } from "../../change.ts";
import { HeliosError } from "../../errors/error.ts";
import { invalid } from "../../errors/invalid.ts";
import { jsonViolation } from "../../json/value.ts";
import { cut } from "../../text/cut.ts";
import { isName, isSuiteFile, NAME_LIMIT } from "../../text/names.ts";
import type { Run, RunRecord } from "../runs/record.ts";
import { isGood, keptOutput, MAX_MESSAGE, type TestResult } from "../runs/runner.ts";
import type { TrialCode } from "./trial-instance.ts";

/** The results of tests that a client ran on a trial. */
export interface TestReportFields {
  /** A name for the tests. Default: the suite of `runId`; without that, `(reported)`. */
  readonly suite?: string | undefined;
  /** The run of a suite by the service whose results come first. Undefined or empty: none. */
  readonly runId?: string | undefined;
  /** From 1 to 1,000. */
  readonly tests: readonly Omit<TestResult, "reported">[];
}

/** Tests of a report; more are refused with `ARGUMENT_INVALID`. @limit tests */
const MAX_REPORTED_TESTS = 1000;
/** The suite of a report that names none. No suite can have this name. */
const NO_SUITE = "(reported)";

/**
 * The run to store for a report. `base` is the run with the id `runId`. Throws ARGUMENT_INVALID, or TEST_RUN_MISMATCH if the
 * base cannot be part of the report.
 */
export function reportedRun(
  trial: TrialCode,
  base: Run | undefined,
  { suite = "", tests: reported }: TestReportFields,
  isSuite: (name: string) => boolean,
  by: By | undefined,
  now: number,
): RunRecord {
  if (base !== undefined) checkBase(trial, base);
  const { name: module, modulePath, version, sha256, artifact, createTime } = trial;
  const tests = [...(base?.record.tests ?? []), ...checkedTests(reported, base?.record.tests ?? [])];
  if (!tests.some(({ required }) => required)) {
    throw invalid("tests", "has no required test, so that the run would pass whatever their results");
  }
  return {
    module,
    suite: suiteOf(suite, base, isSuite),
    target: "FRESH",
    config: base?.record.config ?? {},
    state: "COMPLETED",
    passed: (base?.record.passed ?? true) && tests.every(isGood),
    totalTests: tests.length,
    tests,
    ...(base?.record.shortened && { shortened: true }),
    durationMs: reported.reduce((sum, { durationMs }) => sum + durationMs, base?.record.durationMs ?? 0),
    modulePath,
    version,
    sha256,
    artifact,
    startTime: createTime,
    endTime: now,
    cause: causeOf("RecordTestRun", by),
    report: { trial: trial.id, ...(by?.actor && { by: by.actor }), ...(base && { suiteRun: base.name }) },
  };
}

function checkBase({ id: trial, name, artifact }: TrialCode, { name: id, record }: Run): void {
  const refuse = (problem: string): never => {
    throw HeliosError.of("TEST_RUN_MISMATCH", { id, trial, problem });
  };
  if (record.report !== undefined) refuse("its results were reported by a client");
  if (record.module !== name)
    refuse(`it was of module ${record.module}, not of ${name || "code that is not registered"}`);
  if (record.state !== "COMPLETED") refuse(`it is ${record.state}`);
  if (record.artifact !== artifact) {
    refuse(`it tested other code: artifact ${record.artifact}, the trial runs ${artifact}`);
  }
}

function suiteOf(suite: string, base: Run | undefined, isSuite: (name: string) => boolean): string {
  if (base !== undefined) {
    const { suite: own } = base.record;
    if (suite !== "" && suite !== own) throw invalid("suite", `is ${suite}, but run ${base.name} was of suite ${own}`);
    return own;
  }
  if (suite === "") return NO_SUITE;
  if (isSuiteFile(suite) || isSuite(suite)) {
    throw invalid("suite", `${suite} is a suite of the service; run it with RunTests, and give the id of the run`);
  }
  if (!isName(suite)) throw invalid("suite", `must have 1 to ${NAME_LIMIT} letters, digits and _ . : -`);
  return suite;
}

function checkedTests(tests: TestReportFields["tests"], before: readonly TestResult[]): readonly TestResult[] {
  if (tests.length === 0 || tests.length > MAX_REPORTED_TESTS) {
    throw invalid("tests", `must have from 1 to ${MAX_REPORTED_TESTS} results, not ${tests.length}`);
  }
  const names = new Set(before.map(({ name }) => name));
  return tests.map(({ name, outcome, required, durationMs, message, output }, index) => {
    const wrong = (field: string, problem: string) => invalid(`tests[${index}].${field}`, problem);
    if (name === "" || [...name].length > NAME_LIMIT || !name.isWellFormed()) {
      throw wrong("name", `must have from 1 to ${NAME_LIMIT} characters`);
    }
    if (names.has(name)) throw wrong("name", `is ${name}, which another test of the run is called`);
    if (!(durationMs >= 0 && durationMs < Number.POSITIVE_INFINITY)) throw wrong("duration", "must be at least 0");
    const problem = output === undefined ? undefined : jsonViolation(["output"], output);
    if (problem !== undefined) throw wrong("output", `${problem.problem}; expected ${problem.expected}`);
    names.add(name);
    const kept = { name, outcome, required, durationMs, message: cut(message, MAX_MESSAGE) };
    return { ...kept, ...keptOutput(output), reported: true };
  });
}
