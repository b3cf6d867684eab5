import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import type { Log } from "../../log.ts";
import { Collection } from "../../store/collection.ts";
import type { Feed } from "../../store/feed.ts";
import type { Cause } from "../../store/store.ts";
import type { Run, RunRecord } from "./record.ts";
import { fitReport } from "./report.ts";
import type { TestOutcome, TestResult } from "./runner.ts";

export type RunCounts = Readonly<Record<Lowercase<TestOutcome>, number>>;

/** The number of tests for each outcome. */
export function countsOf(tests: readonly TestResult[]): RunCounts {
  const counts = { passed: 0, failed: 0, timed_out: 0, errored: 0, skipped: 0 };
  for (const { outcome } of tests) counts[outcome.toLowerCase() as Lowercase<TestOutcome>] += 1;
  return counts;
}

/**
 * Test runs of a module that are kept. Beyond them the oldest are forgotten: `GetTestRun` answers `RUN_NOT_FOUND`.
 * @limit runs
 */
export const KEPT_RUNS = 100;

/** The stored runs: the last ones of each module. */
export interface Runs {
  /**
   * Call it after the feed was started. Runs in progress when the service ended become INTERRUPTED; runs of modules that do
   * not exist are deleted. Those of code that is not registered are kept.
   */
  start(isThere: (module: string) => boolean): Promise<void>;
  /** Deletes all runs of a module. */
  deleteOf(module: string): Promise<void>;
  find(id: string): Run | undefined;
  /** Throws RUN_NOT_FOUND. */
  get(id: string): Run;
  /** The runs of one module, or of all, newest first. The order is that of acceptance, not of wall times. */
  list(module?: string): readonly Run[];
  /** Stores a run that was accepted, or reported, and deletes the oldest runs of its module. */
  begin(id: string, record: RunRecord): Promise<Run>;
  /** Stores the end of a run. A run that has ended already stays as it is. */
  end(id: string, record: RunRecord): Promise<Run>;
}

export function createRuns(feed: Feed, clock: Clock, log: Log): Runs {
  const collection = new Collection<RunRecord>(feed, "run/");
  const list = (module?: string): readonly Run[] =>
    collection
      .list()
      .filter(({ record }) => module === undefined || record.module === module)
      .sort((a, b) => accepted(b) - accepted(a));
  const get = (id: string): Run => {
    const run = collection.get(id);
    if (run === undefined) throw HeliosError.of("RUN_NOT_FOUND", { id });
    return run;
  };
  const end = async (id: string, cause: Cause, decide: (before: RunRecord) => RunRecord): Promise<Run> => {
    const written = await collection.change(id, cause, (current) => {
      if (current?.record.state !== "RUNNING") return undefined;
      return { ...fitReport(decide(current.record)), createRevision: accepted(current) };
    });
    return written ?? get(id);
  };

  return {
    list,
    get,
    find: (id) => collection.get(id),
    deleteOf: (module) => collection.deleteAll(list(module), FORGET),
    async start(isThere) {
      const left = collection.list().filter(({ record }) => record.module !== "" && !isThere(record.module));
      await collection.deleteAll(left, FORGET);
      for (const { name, record } of collection.list()) {
        if (record.state !== "RUNNING") continue;
        const failure = "the service ended before";
        const endTime = clock.now();
        await end(name, { action: "Interrupt" }, (before) => ({ ...before, state: "INTERRUPTED", failure, endTime }));
      }
    },
    async begin(id, record) {
      const written = await collection.change(id, record.cause, () => fitReport(record));
      for (const { name } of list(record.module).slice(KEPT_RUNS)) {
        // This does not concern the new run, and the next run tries again.
        await collection.delete(name, FORGET).catch((error: unknown) => {
          log("testing", "warn", "a test run was not deleted", { id: name, error: messageOf(error) });
        });
      }
      return written ?? get(id);
    },
    end: (id, record) => end(id, record.cause, () => record),
  };
}

/** The cause of the deletion of runs. */
const FORGET: Cause = { action: "ForgetRun" };

/** The revision at which the run was accepted. */
const accepted = ({ record, revision }: Run): number => record.createRevision ?? revision;
