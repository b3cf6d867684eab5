import type { Subject } from "../../modules/swap/steps/gate.ts";
import type { Run, RunRecord } from "./record.ts";
import { isGood } from "./runner.ts";

/** Whether a candidate passes the gate of a swap. */
export interface Verdict {
  readonly passed: boolean;
  /** Why; for people. */
  readonly detail: string;
}

/** The verdict by a run on the candidate itself. */
export function judgeReport({ state, passed, tests, totalTests, failure }: RunRecord): Verdict {
  if (state !== "COMPLETED") return { passed: false, detail: `the run was ${state}${because(failure)}` };
  const good = tests.filter(({ outcome }) => outcome === "PASSED").length;
  const bad = tests.filter((test) => !isGood(test)).map(({ name, message }) => `; ${name}: ${message}`);
  return { passed, detail: `${good} of ${totalTests} passed${bad.join("")}` };
}

/** The verdict by an earlier run, which must have tested the same code with `suite`; empty: with any suite. */
export function judgeRun(run: Run | undefined, id: string, { name, artifact }: Subject, suite: string): Verdict {
  const refused = (why: string): Verdict => ({ passed: false, detail: `run ${id} ${why}` });
  if (run === undefined) return refused("does not exist");
  const { record } = run;
  const tested = record.module === "" ? "code that is not registered" : `module ${record.module}`;
  if (record.module !== name) return refused(`was of ${tested}, not of ${name}`);
  if (suite !== "" && record.suite !== suite) return refused(`was of suite ${record.suite}, not of ${suite}`);
  if (suite !== "" && record.report !== undefined && record.report.suiteRun === undefined) {
    return refused(`was reported by a client, and not with a run of suite ${suite} by the service`);
  }
  if (record.state !== "COMPLETED") return refused(`is ${record.state}${because(record.failure)}`);
  if (!record.passed) return refused(`did not pass: ${judgeReport(record).detail}`);
  if (record.artifact !== artifact) {
    return refused(`tested other code: artifact ${record.artifact}, the candidate is ${artifact}`);
  }
  const by = record.report === undefined ? "" : `, with tests reported by ${record.report.by ?? "a client"}`;
  return { passed: true, detail: `run ${id} of suite ${record.suite}${by}: ${judgeReport(record).detail}` };
}

const because = (failure: string | undefined): string => (failure === undefined ? "" : `: ${failure}`);
