import { type Clock, type LogLevel, race, timeLimit } from "../../core/index.ts";

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
  /** Resolves when what was logged is written, or does not get written. */
  readonly flush: () => Promise<void>;
  /** Ends the process with this code, in order; may wait for threads. */
  readonly exit: (code: number) => void;
  /** Ends the process whatever it does. */
  readonly kill: () => void;
}

/** What is up by now, and is to be taken down. */
export interface Running {
  /** Ends within the grace period. */
  drain(): Promise<void>;
  close(): Promise<void>;
  /** Threads that only `kill` ends. */
  strandedThreads(): number;
}

export interface Shutdown {
  /** From now on this is what runs; a signal that came before is obeyed now. */
  started(running: Running): void;
  /** A signal came. */
  signal(name: string): void;
}

const LATE = Symbol("late");

/**
 * Ends the service in order and in bounded time, once. A signal before everything is up is obeyed as soon as it is, and
 * where that does not come, after `CLOSE_TIMEOUT_MS`.
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
    try {
      await race(running.close(), [timeLimit(clock, CLOSE_TIMEOUT_MS, () => LATE, true)]);
    } catch (error) {
      if (error !== LATE) throw error;
      log("warn", "ending, although not all that runs has stopped", { afterMs: CLOSE_TIMEOUT_MS });
    }
  };
  const stop = async (): Promise<void> => {
    try {
      await close();
    } catch (error) {
      log("error", "the end was not in order", { error: String(error) });
    }
    const threads = running?.strandedThreads() ?? 0;
    if (threads > 0) {
      const problem = "ending by SIGKILL: threads of modules are in synchronous calls that nothing can end";
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
        log("warn", "ending at once: a second signal", { signal: name });
        void flush().finally(kill);
      }
    },
  };
}
