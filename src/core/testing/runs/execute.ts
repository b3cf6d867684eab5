import { type Limit, race } from "../../../kernel/async/race.ts";
import { onAbort } from "../../../kernel/async/signal.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { joined } from "../../async/deadline.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import type { Log } from "../../log.ts";
import type { Candidate } from "../../modules/swap/steps/gate.ts";
import { cut } from "../../size.ts";
import type { Layer, TestTrial } from "../stand-ins/trial.ts";
import type { Test } from "../suites/suite.ts";
import type { Run, RunRecord } from "./record.ts";
import {
  MAX_MESSAGE,
  notRun,
  notStarted,
  type Progress,
  runTests,
  type TestOutcome,
  type TestResult,
} from "./runner.ts";
import type { Runs } from "./runs.ts";
import { createTurns, GATES_AT_ONCE, type Leave, type Turns } from "./turns.ts";

/** Where a run's tests come from. */
export interface TestSource {
  /** As far as they are known before `open`. */
  readonly tests: readonly Test[];
  /** What it says that stands in, as far as it is known before `open`. */
  readonly standIns?: Layer | undefined;
  /** Absent: they are all known. Rejects with what is wrong with the suite. */
  open?(): Promise<OpenSuite>;
}

/** Tests that live in an instance of their own. */
export interface OpenSuite {
  readonly tests: readonly Test[];
  /** Absent: it says nothing of what the tested module depends on. */
  readonly standIns?: Layer;
  /** Ends it at once. */
  close(): void;
}

/** A run that is to be made. */
export interface Job {
  readonly record: Pick<RunRecord, "module" | "suite" | "target" | "config" | "cause"> & CodeUnderTest;
  readonly source: TestSource;
  /** What it reaches meanwhile, given what the suite's file says; absent: all, since it serves. */
  readonly trial?: ((open: OpenSuite | undefined) => Promise<TestTrial>) | undefined;
  /** Brings what is to be tested. */
  readonly start: (trial: TestTrial | undefined) => Promise<Candidate>;
  /** Whether what was brought is the run's own, and is stopped afterwards. */
  readonly owned: boolean;
  /** Whether somebody waits for it who holds up others: it waits for no run that is not. */
  readonly urgent: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: RunProgress | undefined;
}

export type CodeUnderTest = Pick<RunRecord, "modulePath" | "version" | "sha256" | "artifact">;

/** What a run tells while it is under way. What these throw ends the run. */
export interface RunProgress extends Progress {
  /** It was accepted. */
  runStarted?(run: Run): void;
}

export interface Executor {
  /** Makes a run; resolves to the report, of one that failed or was cancelled too. TEST_RUNS_OVERLOADED. */
  execute(job: Job): Promise<Run>;
  /** Stops a run and resolves when it has ended; undefined where none of that id is under way. */
  cancel(id: string): Promise<Run> | undefined;
  /** Stops all runs of a module, and resolves when they have ended. */
  cancelAll(module: string): Promise<void>;
  /** Cancels what is under way, and refuses more. */
  close(): Promise<void>;
}

export interface ExecutorDeps {
  readonly runs: Runs;
  readonly turns: Turns;
  /** Places of the urgent ones. Default: `GATES_AT_ONCE`. */
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
  const underWay = new Map<
    string,
    { readonly module: string; readonly abort: AbortController; readonly ended: Promise<Run> }
  >();
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
      const tried = leave === undefined ? cancelled(job.source.tests) : await attempt(job, clock, signal, leave);
      const { tests, started, durationMs, code } = tried;
      const state = signal.aborted ? "CANCELLED" : "COMPLETED";
      const passed = state === "COMPLETED" && started && tests.every(isGood);
      log("testing", passed ? "info" : "warn", "test run ended", { module, suite, id, state, passed });
      return await end({ ...code, state, passed, tests, totalTests: tests.length || open.totalTests, durationMs });
    } catch (error) {
      const failure = cut(messageOf(error), MAX_MESSAGE);
      log("testing", "warn", "a test run has no report", { module, suite, id, failure });
      // Where the store is what failed, the next start does it.
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
      const abort = new AbortController();
      const { signal, release } = joined(job.signal === undefined ? [abort.signal] : [abort.signal, job.signal]);
      const turn = (job.urgent ? gates : turns).take(signal, job.urgent);
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
      const ended = work(id, open, job, turn, signal).finally(() => {
        underWay.delete(id);
        // One that ended before its turn came leaves the queue.
        abort.abort();
        release();
      });
      underWay.set(id, { module: open.module, abort, ended });
      return ended;
    },
    cancel(id) {
      const run = underWay.get(id);
      run?.abort.abort();
      return run?.ended;
    },
    async cancelAll(module) {
      const those = [...underWay.values()].filter((run) => run.module === module);
      for (const { abort } of those) abort.abort();
      await Promise.allSettled(those.map(({ ended }) => ended));
    },
    async close() {
      closed = true;
      for (const { abort } of underWay.values()) abort.abort();
      await Promise.allSettled([...underWay.values()].map(({ ended }) => ended));
    },
  };
}

/** What came of a run that had its turn. */
interface Tried {
  readonly tests: readonly TestResult[];
  /** Whether there was an instance. */
  readonly started: boolean;
  readonly durationMs: number;
  /** What was tested, where something was. */
  readonly code?: CodeUnderTest;
}

const cancelled = (tests: readonly Test[], durationMs = 0): Tried => ({
  tests: notRun(tests),
  started: false,
  durationMs,
});

/** Time that an instance which was started only for a test may take to stop; then it is killed. @limit ms */
const STOP_TIMEOUT_MS = 2000;

/** Brings the tests and the instance to life, and runs them; gives the place back when nothing of it is left. */
async function attempt(job: Job, clock: Clock, signal: AbortSignal, leave: Leave): Promise<Tried> {
  const { source, progress } = job;
  const late: Promise<unknown>[] = [];
  const start = clock.monotonic();
  const took = (): number => clock.monotonic() - start;
  let suite: OpenSuite | undefined;
  let candidate: Candidate | undefined;
  let trial: TestTrial | undefined;
  try {
    suite = source.open === undefined ? undefined : await inTime(source.open(), signal, late, (open) => open.close());
    if (signal.aborted) return cancelled(suite?.tests ?? source.tests, took());
    const { tests } = suite ?? source;
    trial = job.trial && (await inTime(job.trial(suite), signal, late, (made) => made.close()));
    if (signal.aborted) return cancelled(tests, took());
    try {
      const stop = async ({ instance }: Candidate) => job.owned && instance.stop(STOP_TIMEOUT_MS);
      candidate = await inTime(job.start(trial), signal, late, stop);
    } catch (error) {
      return { tests: await notStarted(tests, error, progress), started: false, durationMs: took() };
    }
    if (candidate === undefined) return cancelled(tests, took());
    const { modulePath, version, sha256, artifact } = candidate;
    const results = await runTests(candidate, tests, clock, signal, progress, trial);
    return { tests: results, started: true, durationMs: took(), code: { modulePath, version, sha256, artifact } };
  } finally {
    // What it calls in its end may be stubbed by the suite.
    if (job.owned) await candidate?.instance.stop(STOP_TIMEOUT_MS);
    suite?.close();
    trial?.close();
    void Promise.allSettled(late).then(leave);
  }
}

const CANCELLED = Symbol("cancelled");

/** Waits for what comes to life. Undefined where the run is cancelled before: then `end` is called when it has come. */
function inTime<T>(
  birth: Promise<T>,
  signal: AbortSignal,
  late: Promise<unknown>[],
  end: (born: T) => unknown,
): Promise<T | undefined> {
  const cancelled: Limit = (giveUp) => onAbort(signal, () => giveUp(CANCELLED));
  return race<T | undefined>(birth, [cancelled], () => late.push(birth.then(end).catch(() => {}))).catch((error) => {
    if (error !== CANCELLED) throw error;
    return undefined;
  });
}

/** Whether a run can pass with it. */
export const isGood = ({ required, outcome }: TestResult): boolean =>
  !required || outcome === ("PASSED" satisfies TestOutcome);
