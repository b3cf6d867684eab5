import type { By } from "../change.ts";
import type { Gate, Subject } from "../modules/swap/steps/gate.ts";
import type { SuiteFields } from "./record.ts";
import type { Verdict } from "./runs/gate.ts";
import type { RunOptions } from "./runs/options.ts";
import type { Run } from "./runs/record.ts";
import type { Tester } from "./runs/tester.ts";
import type { TesterStandIns } from "./stand-ins/trials.ts";
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
  /** Cancels and deletes all runs of a module. */
  deleteRuns(module: string): Promise<void>;
  /** Cancels all runs in progress. */
  close(): Promise<void>;
}
