import type { By } from "../change.ts";
import type { Answer } from "../modules/calls/call.ts";
import type { Payload } from "../modules/host/types/host.ts";
import type { Gate, Subject } from "../modules/swap/steps/gate.ts";
import type { SuiteFields } from "./record.ts";
import type { Verdict } from "./runs/gate.ts";
import type { RunOptions } from "./runs/options.ts";
import type { Run } from "./runs/record.ts";
import type { Tester } from "./runs/tester.ts";
import type { TesterStandIns } from "./stand-ins/trials.ts";
import type { TestReportFields } from "./trials/report.ts";
import type { TrialCallOptions, TrialInstance, TrialOptions } from "./trials/trial-instance.ts";
import type { Suite } from "./view.ts";

/**
 * Suites, and their runs on modules. A few runs execute at once; the others wait in order. Mutations can reject with
 * ARGUMENT_INVALID, ETAG_MISMATCH and STORE_UNAVAILABLE.
 */
export interface Testing {
  /** Call it after the feed was started. Runs that the service did not end become INTERRUPTED. */
  start(): Promise<void>;
  /** Throws SUITE_NOT_FOUND. */
  getSuite(name: string): Suite;
  /** All suites by name, with the built-in ones. Suites that are files are not listed. */
  listSuites(): readonly Suite[];
  /** Rejects with SUITE_ALREADY_EXISTS and SUITE_INVALID. */
  createSuite(name: string, fields: SuiteFields, by?: By): Promise<Suite>;
  /** Rejects with SUITE_NOT_FOUND and SUITE_BUILT_IN. */
  deleteSuite(name: string, by?: By): Promise<Suite>;
  /**
   * Runs a suite on a module and resolves to the report, also if the run fails or is cancelled, or the module does not start.
   * The suite is a name, or the path of a file below the modules root. Default: the module's own suite.
   *
   * Rejects with MODULE_NOT_FOUND, SUITE_NOT_FOUND, SUITE_INVALID, TEST_RUNS_OVERLOADED, errors of the module's file, and with
   * the target ACTIVE also MODULE_NOT_LOADED.
   */
  run(module: string, suite?: string, options?: RunOptions, by?: By): Promise<Run>;
  /** Throws RUN_NOT_FOUND. */
  getRun(id: string): Run;
  /** The last 100 runs of a module, newest first. */
  listRuns(module: string): readonly Run[];
  /** The kept runs of all modules, newest first. */
  allRuns(): readonly Run[];
  /** Cancels a run, and resolves to it. A run that has ended stays as it is. Rejects with RUN_NOT_FOUND. */
  cancelRun(id: string): Promise<Run>;
  /**
   * The gate of a swap: runs a suite on the candidate and keeps the run; or, if the request names an earlier run, judges by
   * that run, which must be of the named suite if there is one. It waits only for other gates.
   */
  readonly gate: Gate;
  /** Judges code by an earlier run: the run must have completed and passed, on this module and on the same code. */
  gateByRun(id: string, subject: Subject): Verdict;
  /**
   * A suite to which tests are added as functions. It starts with the tests of `suite`, if one is named. Stubs may be
   * functions. Throws SUITE_NOT_FOUND.
   */
  createTester(module: string, suite?: string, standIns?: TesterStandIns): Tester;
  /**
   * Starts an instance for tests of a client. An empty name: code that is not registered, at `modulePath`. It ends at its
   * ttl, by `closeTrial`, when it crashes, when its module is deleted, and by `close`. Rejects with MODULE_NOT_FOUND,
   * MODULE_LOAD_FAILED, TRIALS_OVERLOADED, RESOURCE_TOO_LARGE and the errors of the file.
   */
  openTrial(name: string, options?: TrialOptions, by?: By): Promise<TrialInstance>;
  /** Ends a trial. Resolves when its instance has ended. Calls in progress reject with MODULE_CRASHED. TRIAL_NOT_FOUND. */
  closeTrial(id: string): Promise<TrialInstance>;
  /**
   * Calls a method of a trial's instance. Neither lane nor breaker limit the call. Rejects with TRIAL_NOT_FOUND and the errors
   * of `Instance.invoke`. After a crash, the first call gets MODULE_CRASHED.
   */
  invokeTrial(id: string, method: string, input: Payload, options?: TrialCallOptions): Promise<Answer>;
  /**
   * Stores the results of a client's tests on a trial as a run. The trial may be one of the last 100 that have ended. Rejects
   * with TRIAL_NOT_FOUND, RUN_NOT_FOUND and TEST_RUN_MISMATCH.
   */
  recordRun(trial: string, report: TestReportFields, by?: By): Promise<Run>;
  /** Ends all trials of a module, and cancels and deletes all of its runs. */
  deleteRuns(module: string): Promise<void>;
  /** Cancels all runs in progress, and ends all trials. */
  close(): Promise<void>;
}
