import type { Resource } from "../../store/collection.ts";
import type { Cause } from "../../store/store.ts";
import type { TestResult } from "./runner.ts";

export type TestTarget = "FRESH" | "ACTIVE";

export type RunState = "RUNNING" | "COMPLETED" | "CANCELLED" | "INTERRUPTED";

/** One run of a suite on a module: the report. */
export interface RunRecord {
  readonly module: string;
  readonly suite: string;
  readonly target: TestTarget;
  /** What was given of the suite's settings. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly state: RunState;
  /** It completed, and every required test passed. */
  readonly passed: boolean;
  /** 0 while the tests are not known: those of a file are when it has been read. */
  readonly totalTests: number;
  readonly tests: readonly TestResult[];
  /** Outputs and messages of the tests are shorter than they were, so that the report has at most 1 MiB. */
  readonly shortened?: true;
  readonly durationMs: number;
  /** Of the code that is tested. The version is empty until an instance of it has started. */
  readonly modulePath: string;
  readonly version: string;
  readonly sha256: string;
  /** Hex digest of all code that runs. */
  readonly artifact: string;
  /** Why there is no report; absent where there is, or will be. */
  readonly failure?: string;
  /** Wall times in ms. */
  readonly startTime: number;
  readonly endTime?: number;
  readonly cause: Cause;
  /** Set by the history: the store's revision at which the run was accepted; absent until it is written again. */
  readonly createRevision?: number;
}

/** Its name is its id. */
export type Run = Resource<RunRecord>;
