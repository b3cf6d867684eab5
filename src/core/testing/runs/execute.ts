import { type Joined, joined } from "../../../kernel/async/signal.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import type { Log } from "../../log.ts";
import { cut } from "../../text/cut.ts";
import { attempt, cancelledAttempt } from "./attempt.ts";
import type { Job } from "./job.ts";
import type { Run, RunRecord } from "./record.ts";
import { isGood, MAX_MESSAGE } from "./runner.ts";
import type { Runs } from "./runs.ts";
import { createTurns, GATES_AT_ONCE, type Leave, type Turns } from "./turns.ts";

export interface Executor {
  /** Executes a run. Resolves to its report, also if it failed or was cancelled. TEST_RUNS_OVERLOADED. */
  execute(job: Job): Promise<Run>;
  /** Cancels a run; resolves when it has ended. Undefined if no run of that id is in progress. */
  cancel(id: string): Promise<Run> | undefined;
  /** Cancels all runs of a module; resolves when they have ended. */
  cancelAll(module: string): Promise<void>;
  /** Cancels all runs in progress, and refuses new ones. */
  close(): Promise<void>;
}

export interface ExecutorDeps {
  readonly runs: Runs;
  readonly turns: Turns;
  /** The places of urgent runs. Default: `GATES_AT_ONCE`. */
  readonly gates?: Turns;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Log;
}

export function createExecutor({
  runs,
  turns,
  gates = createTurns(GATES_AT_ONCE),
  clock,
  newId,
  log,
}: ExecutorDeps): Executor {
  const underWay = new Map<string, { readonly module: string; readonly over: Joined; readonly ended: Promise<Run> }>();
  let closed = false;

  const work = async (id: string, open: RunRecord, job: Job, turn: Promise<Leave>, signal: AbortSignal) => {
    const end = (how: Partial<RunRecord>): Promise<Run> => runs.end(id, { ...open, ...how, endTime: clock.now() });
    const { module, suite } = open;
    let entered = false;
    try {
      const accepted = await runs.begin(id, open);
      job.progress?.runStarted?.(accepted);
      const leave = await turn.catch(() => undefined);
      entered = leave !== undefined;
      const { tests, started, durationMs, code } =
        leave === undefined ? cancelledAttempt(job.source.tests) : await attempt(job, clock, signal, leave);
      const state = signal.aborted ? "CANCELLED" : "COMPLETED";
      const passed = state === "COMPLETED" && started && tests.every(isGood);
      log("testing", passed ? "info" : "warn", "test run ended", { module, suite, id, state, passed });
      return await end({ ...code, state, passed, tests, totalTests: tests.length || open.totalTests, durationMs });
    } catch (error) {
      const failure = cut(messageOf(error), MAX_MESSAGE);
      log("testing", "warn", "a test run has no report", { module, suite, id, failure });
      // If this write fails, too, the next start of the service makes the run INTERRUPTED.
      await end({ state: "INTERRUPTED", failure }).catch(() => {});
      throw error;
    } finally {
      if (!entered) turn.then((leave) => leave()).catch(() => {});
    }
  };

  return {
    async execute(job) {
      if (closed) throw HeliosError.of("SERVER_DRAINING", {});
      const id = newId();
      const over = joined([job.signal]);
      const turn = (job.urgent ? gates : turns).take(over.signal, job.urgent);
      turn.catch(() => {});
      const open: RunRecord = {
        ...job.record,
        state: "RUNNING",
        passed: false,
        totalTests: job.source.tests.length,
        tests: [],
        durationMs: 0,
        startTime: clock.now(),
      };
      const ended = work(id, open, job, turn, over.signal).finally(() => {
        underWay.delete(id);
        // A run that ended before its turn leaves the queue.
        over.abort();
      });
      underWay.set(id, { module: open.module, over, ended });
      return ended;
    },
    cancel(id) {
      const run = underWay.get(id);
      run?.over.abort();
      return run?.ended;
    },
    async cancelAll(module) {
      const those = [...underWay.values()].filter((run) => run.module === module);
      for (const { over } of those) over.abort();
      await Promise.allSettled(those.map(({ ended }) => ended));
    },
    async close() {
      closed = true;
      for (const { over } of underWay.values()) over.abort();
      await Promise.allSettled([...underWay.values()].map(({ ended }) => ended));
    },
  };
}
