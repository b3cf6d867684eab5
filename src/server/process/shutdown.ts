import { raceOr, timeLimit } from "../../core/async/index.ts";
import type { Clock, LogLevel } from "../../core/index.ts";

/**
 * Time within which a second SIGINT or SIGTERM counts as the first one, because npm forwards what the terminal has
 * already sent to the process group. A later one ends the server at once. @limit ms
 */
export const SAME_SIGNAL_MS = 2000;
/**
 * Time that stopping the modules and closing the store may take after the calls have ended; then the process ends
 * anyway. @limit ms
 */
export const CLOSE_TIMEOUT_MS = 8000;

export interface ShutdownParts {
  readonly clock: Clock;
  readonly log: (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;
  /** Resolves when the logs are written, or cannot be written. */
  readonly flush: () => Promise<void>;
  /** Ends the process with this code, in order. May wait for threads. */
  readonly exit: (code: number) => void;
  /** Ends the process at once. */
  readonly kill: () => void;
}

/** The running parts of the service that must be stopped. */
export interface Running {
  /** Stops the server within the grace period. */
  drain(): Promise<void>;
  close(): Promise<void>;
  /** Number of threads that only `kill` can end. */
  strandedThreads(): number;
}

export interface Shutdown {
  /** Sets the running service. If a signal has already come, the shutdown begins now. */
  started(running: Running): void;
  /** Called when a signal has come. */
  signal(name: string): void;
}

/**
 * Shuts the service down once, in order and in limited time. A signal during the start takes effect as soon as everything
 * runs, or after `CLOSE_TIMEOUT_MS` if it does not.
 */
export function createShutdown({ clock, log, flush, exit, kill }: ShutdownParts): Shutdown {
  let running: Running | undefined;
  let askedAt: number | undefined;

  const end = async (code: number): Promise<void> => {
    await flush();
    if (running !== undefined && running.strandedThreads() > 0) kill();
    else exit(code);
  };
  const close = async (): Promise<void> => {
    if (running === undefined) return;
    await running.drain();
    await raceOr(running.close(), [timeLimit(clock, CLOSE_TIMEOUT_MS, () => undefined, true)], () =>
      log("warn", "the process ends, although some parts have not stopped in time", { afterMs: CLOSE_TIMEOUT_MS }),
    );
  };
  const stop = async (): Promise<void> => {
    try {
      await close();
    } catch (error) {
      log("error", "an error occurred during the shutdown", { error: String(error) });
    }
    const threads = running?.strandedThreads() ?? 0;
    if (threads > 0) {
      const problem =
        "the process ends by SIGKILL, because threads of modules are in synchronous calls that cannot be interrupted";
      log("warn", problem, { threads });
    } else log("info", "stopped");
    await end(0);
  };
  return {
    started(parts) {
      running = parts;
      if (askedAt !== undefined) void stop();
    },
    signal(name) {
      if (askedAt === undefined) {
        askedAt = clock.monotonic();
        log("info", "draining", { signal: name });
        if (running !== undefined) void stop();
        else clock.setTimer(CLOSE_TIMEOUT_MS, () => running === undefined && void end(0));
      } else if (clock.monotonic() - askedAt >= SAME_SIGNAL_MS) {
        log("warn", "the process ends at once, because of a second signal", { signal: name });
        void flush().finally(kill);
      }
    },
  };
}
