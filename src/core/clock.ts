/** A pending timer; `cancel` after it has fired does nothing. */
export interface Timer {
  cancel(): void;
}

/**
 * Time as the engine sees it. Nothing in the engine reads time or sets a timer in any other way, so that a test
 * (or a simulation) decides what time it is.
 */
export interface Clock {
  /** Wall time in milliseconds since the Unix epoch: for display and for what must be comparable after a restart. */
  now(): number;
  /** Milliseconds that only ever grow, from an arbitrary start: for every duration and timeout. */
  monotonic(): number;
  /** Runs `run` once, `delayMs` of monotonic time from now. */
  setTimer(delayMs: number, run: () => void): Timer;
}

/** The longest delay that the platform's timers take (2^31 - 1 ms, 24.8 days); longer ones are set again in steps. */
const LONGEST_DELAY_MS = 2_147_483_647;

/** The machine's clock. Its timers do not keep a process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, run) {
    const due = performance.now() + delayMs;
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const left = due - performance.now();
      handle = left > LONGEST_DELAY_MS ? setTimeout(arm, LONGEST_DELAY_MS) : setTimeout(run, Math.max(0, left));
      handle.unref();
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** A clock that stands still until it is told to move. */
export interface ManualClock extends Clock {
  /** Moves both times forward and runs the timers that fall due, in the order in which they are due. */
  advance(ms: number): void;
  /** Steps the wall time alone, as an operator or NTP does. */
  stepWall(ms: number): void;
}

/** Makes a clock for tests and simulations that starts at the wall time `startMs`. */
export function createManualClock(startMs = 1_700_000_000_000): ManualClock {
  let wallOffset = startMs;
  let elapsed = 0;
  let order = 0;
  const timers = new Set<{ due: number; order: number; run: () => void }>();
  return {
    now: () => wallOffset + elapsed,
    monotonic: () => elapsed,
    setTimer(delayMs, run) {
      const timer = { due: elapsed + Math.max(0, delayMs), order: order++, run };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
    advance(ms) {
      const end = elapsed + ms;
      for (;;) {
        const [next] = [...timers]
          .filter((timer) => timer.due <= end)
          .sort((a, b) => a.due - b.due || a.order - b.order);
        if (next === undefined) break;
        timers.delete(next);
        elapsed = Math.max(elapsed, next.due);
        next.run();
      }
      elapsed = end;
    },
    stepWall(ms) {
      wallOffset += ms;
    },
  };
}
