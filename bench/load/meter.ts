import { cpuSeconds } from "../compare/cpu.ts";
import { createLatencies } from "./latencies.ts";

/** What is measured, and for how long. */
export interface Span {
  /** Time for which calls are made but not counted. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** The process of the server. */
  readonly serverPid: number;
}

/** What was measured over one span. */
export interface Figures {
  readonly perSecond: number;
  /**
   * Calls for each second of CPU time of the server. On a core of its own that is the rate; if other programs disturb the
   * run, it changes less than the rate does.
   */
  readonly perCpuSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Calls that failed or had another answer than the expected one, and the problem of the first of them. */
  readonly errors: number;
  readonly problem: string | undefined;
  /** Share of a core that each process used, from 0 to 1. */
  readonly loadCpu: number;
  readonly serverCpu: number;
}

/** Counts the calls of all connections of one job. */
export interface Meter {
  /** Begins the span. */
  start(): void;
  /** Whether further calls are to be made. */
  isRunning(): boolean;
  /** Counts a call that was sent at this time and has ended now. */
  count(sentAt: number, problem: string | undefined): void;
  /** Ends the measurement, because the calls cannot go on. */
  fail(problem: string): void;
  /** Rejects if the calls could not go on. */
  readonly finished: Promise<Figures>;
}

/** Share of a core that the server should have had. If it had less, because of other programs, the span is longer. */
const EXPECTED_CPU = 0.5;
/** The factor by which a span may become longer. */
const LONGEST = 4;
const LOOK_MS = 50;

export function createMeter({ warmUpMs, durationMs, serverPid }: Span): Meter {
  const latencies = createLatencies();
  const finished = Promise.withResolvers<Figures>();
  let [isRunning, isCounting, errors] = [false, false, 0];
  let problem: string | undefined;
  // Without this, a failure before anybody waits would end the process.
  finished.promise.catch(() => {});

  /** Resolves after this time, or later if the server had too little of its core. */
  const passes = async (ms: number): Promise<void> => {
    const [begun, used] = [performance.now(), cpuSeconds(serverPid)];
    const isShort = (): boolean => (cpuSeconds(serverPid) - used) * 1000 < EXPECTED_CPU * ms;
    await pause(ms);
    while (isShort() && performance.now() - begun < LONGEST * ms) await pause(LOOK_MS);
  };
  const measure = async (): Promise<void> => {
    await passes(warmUpMs);
    isCounting = true;
    const [begun, own, theirs] = [performance.now(), process.cpuUsage(), cpuSeconds(serverPid)];
    await passes(durationMs);
    [isCounting, isRunning] = [false, false];
    const [seconds, used] = [(performance.now() - begun) / 1000, process.cpuUsage(own)];
    const [calls, serverSeconds] = [latencies.count - errors, cpuSeconds(serverPid) - theirs];
    finished.resolve({
      perSecond: calls / seconds,
      perCpuSecond: calls / serverSeconds,
      p50Ms: latencies.at(0.5),
      p99Ms: latencies.at(0.99),
      errors,
      problem,
      loadCpu: (used.user + used.system) / 1e6 / seconds,
      serverCpu: serverSeconds / seconds,
    });
  };
  return {
    start() {
      isRunning = true;
      void measure();
    },
    isRunning: () => isRunning,
    count(sentAt, failed) {
      if (!isRunning) return;
      // A failure of the warm-up counts too.
      if (failed !== undefined) {
        errors += 1;
        problem ??= failed;
      }
      if (isCounting || failed !== undefined) latencies.add(performance.now() - sentAt);
    },
    fail(reason) {
      isRunning = false;
      finished.reject(new Error(reason));
    },
    finished: finished.promise,
  };
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
