import type { Clock } from "../../../kernel/clock.ts";
import type { TestedInstance } from "../../modules/swap/steps/gate.ts";
import type { TestTrial } from "../stand-ins/trial.ts";
import type { OpenSuite } from "../suites/source.ts";
import type { Test } from "../suites/suite.ts";
import type { CodeUnderTest, Job } from "./job.ts";
import { notRun, notStarted, runTests, type TestResult } from "./runner.ts";
import type { Leave } from "./turns.ts";
import { unlessCancelled } from "./unless-cancelled.ts";

/** The results of a run that had its turn. */
interface Attempt {
  readonly tests: readonly TestResult[];
  /** Whether an instance started. */
  readonly started: boolean;
  readonly durationMs: number;
  /** The tested code, if an instance started. */
  readonly code?: CodeUnderTest;
}

/** The results of a run that was cancelled before an instance started. */
export const cancelledAttempt = (tests: readonly Test[], durationMs = 0): Attempt => ({
  tests: notRun(tests),
  started: false,
  durationMs,
});

/** Time that an instance which was started only for a test may take to stop; then it is killed. @limit ms */
export const STOP_TIMEOUT_MS = 2000;

/**
 * Starts the suite's file, the stand-ins and the instance, and runs the tests. Calls `leave` when all that was started has
 * ended.
 */
export async function attempt(job: Job, clock: Clock, signal: AbortSignal, leave: Leave): Promise<Attempt> {
  const { source, progress } = job;
  /** The ends of what had not started when the run was cancelled. */
  const late: Promise<unknown>[] = [];
  const start = clock.monotonic();
  const took = (): number => clock.monotonic() - start;
  let suite: OpenSuite | undefined;
  let tested: TestedInstance | undefined;
  let trial: TestTrial | undefined;
  try {
    if (source.open !== undefined) suite = await unlessCancelled(source.open(), signal, late, (open) => open.close());
    if (signal.aborted) return cancelledAttempt(suite?.tests ?? source.tests, took());
    const { tests } = suite ?? source;
    trial = job.trial && (await unlessCancelled(job.trial(suite, signal), signal, late, (made) => made.close()));
    if (signal.aborted) return cancelledAttempt(tests, took());
    try {
      const stop = async ({ instance }: TestedInstance) => job.owned && instance.stop(STOP_TIMEOUT_MS);
      tested = await unlessCancelled(job.start(trial, signal), signal, late, stop);
    } catch (error) {
      return { tests: await notStarted(tests, error, progress), started: false, durationMs: took() };
    }
    if (tested === undefined) return cancelledAttempt(tests, took());
    const { modulePath, version, sha256, artifact } = tested;
    const results = await runTests(tested, tests, clock, signal, progress, trial);
    return { tests: results, started: true, durationMs: took(), code: { modulePath, version, sha256, artifact } };
  } finally {
    // The suite's stubs answer the calls that the instance makes while it stops, so the suite ends last.
    if (job.owned) await tested?.instance.stop(STOP_TIMEOUT_MS);
    suite?.close();
    trial?.close();
    void Promise.allSettled(late).then(leave);
  }
}
