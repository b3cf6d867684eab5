import type { Resource } from "../../store/collection.ts";
import type { Cause } from "../../store/store.ts";
import type { TestResult } from "./runner.ts";

export type TestTarget = "FRESH" | "ACTIVE";

export type RunState = "RUNNING" | "COMPLETED" | "CANCELLED" | "INTERRUPTED";

/** How a client reported results of tests that it ran on a trial. */
export interface ReportOrigin {
  readonly trial: string;
  /** The actor who reported them. */
  readonly by?: string;
  /** The service's own run whose results come first. */
  readonly suiteRun?: string;
}

/** A run of a suite on a module, and its report. */
export interface RunRecord {
  /** Empty: a report of tests on code that is not registered. */
  readonly module: string;
  readonly suite: string;
  readonly target: TestTarget;
  /** The settings that the caller gave. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly state: RunState;
  /** Whether it completed and every required test passed. */
  readonly passed: boolean;
  /** 0 while the tests are not known: those of a file are known when it has been read. */
  readonly totalTests: number;
  readonly tests: readonly TestResult[];
  /** Outputs and messages of tests were cut, so that the report has at most 1 MiB. */
  readonly shortened?: true;
  readonly durationMs: number;
  /** The tested code. The version is empty until an instance has started. */
  readonly modulePath: string;
  readonly version: string;
  readonly sha256: string;
  /** The SHA-256 of all code that runs, in hex. */
  readonly artifact: string;
  /** Why there is no report. Absent if there is one, or the run has not ended. */
  readonly failure?: string;
  /** Wall times in ms. */
  readonly startTime: number;
  readonly endTime?: number;
  readonly cause: Cause;
  /** Absent: the service ran all tests. */
  readonly report?: ReportOrigin;
  /** The store's revision at which the run was accepted. It is set when the run ends. */
  readonly createRevision?: number;
}

/** A run as stored. Its name is its id. */
export type Run = Resource<RunRecord>;
