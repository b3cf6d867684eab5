import type { Clock } from "../clock.ts";
import { HeliosError } from "../errors.ts";
import { Collection, type Resource } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import type { Cause } from "../store/store.ts";
import type { TestOutcome, TestResult } from "./runner.ts";

export type TestTarget = "FRESH" | "ACTIVE";
export type RunState = "RUNNING" | "COMPLETED" | "CANCELLED" | "INTERRUPTED";

/** One run of a suite on a module: the report. */
export interface RunRecord {
  readonly module: string;
  readonly suite: string;
  readonly target: TestTarget;
  readonly state: RunState;
  /** It completed, and every required test passed. */
  readonly passed: boolean;
  readonly totalTests: number;
  readonly tests: readonly TestResult[];
  readonly durationMs: number;
  /** Of the code that was tested. */
  readonly version: string;
  readonly sha256: string;
  /** Wall times in ms. */
  readonly startTime: number;
  readonly endTime?: number;
  readonly cause: Cause;
}

/** Its name is its id. */
export type Run = Resource<RunRecord>;

export type RunCounts = Readonly<Record<Lowercase<TestOutcome>, number>>;

/** How many tests ended how. */
export function countsOf(tests: readonly TestResult[]): RunCounts {
  const counts = { passed: 0, failed: 0, timed_out: 0, errored: 0, skipped: 0 };
  for (const { outcome } of tests) counts[outcome.toLowerCase() as Lowercase<TestOutcome>] += 1;
  return counts;
}

/** Runs of a module that are kept. */
export const KEPT_RUNS = 100;

/** The history of runs: the last of each module, across restarts. */
export interface Runs {
  /** After the feed was started: runs that the service did not end are INTERRUPTED. */
  start(): Promise<void>;
  /** RUN_NOT_FOUND. */
  get(id: string): Run;
  /** Of a module, or all; newest first. */
  list(module?: string): readonly Run[];
  write(id: string, record: RunRecord): Promise<Run>;
}

export function createRuns(feed: Feed, clock: Clock): Runs {
  const collection = new Collection<RunRecord>(feed, "run/");
  const list = (module?: string): readonly Run[] =>
    collection
      .list()
      .filter(({ record }) => module === undefined || record.module === module)
      .sort((a, b) => b.record.startTime - a.record.startTime || b.revision - a.revision);

  return {
    list,
    async start() {
      for (const { name, record } of collection.list()) {
        if (record.state !== "RUNNING") continue;
        const endTime = clock.now();
        await collection.change(name, { action: "Interrupt" }, () => ({ ...record, state: "INTERRUPTED", endTime }));
      }
    },
    get(id) {
      const run = collection.get(id);
      if (run === undefined) throw HeliosError.of("RUN_NOT_FOUND", { id });
      return run;
    },
    async write(id, record) {
      const written = await collection.change(id, record.cause, () => record);
      for (const { name } of list(record.module).slice(KEPT_RUNS)) {
        await collection.remove(name, { action: "ForgetRun" });
      }
      if (written === undefined) throw new Error("a decision was made");
      return written;
    },
  };
}
