// Declares the globals that every platform of a client provides. The kernel is checked without the types of any platform.
interface PlatformTimer {
  unref(): void;
}
declare const performance: { now(): number };
declare function setTimeout(run: () => void, delayMs: number): PlatformTimer;
declare function clearTimeout(timer: PlatformTimer): void;

/** A pending timer. `cancel` does nothing after it has fired. */
export interface Timer {
  cancel(): void;
}

/**
 * Time as the engine sees it. Nothing in the engine reads time or sets a timer in any other way, so that a test
 * (or a simulation) decides what time it is.
 */
export interface Clock {
  /** Wall time in ms since the Unix epoch. It is for display, and for times that are compared after a restart. */
  now(): number;
  /** A time in ms that never decreases, from an arbitrary start. It is for all durations and timeouts. */
  monotonic(): number;
  /**
   * Runs `run` once, `delayMs` of monotonic time from now: at the next turn if that is 0 or less, never if it is infinite. The
   * delay may be as long as 10,000 years. With `isAwaited` the process lives until then. Throws a RangeError for NaN, which
   * would be a mistake in this code, because `spanProblem` checks what callers give.
   */
  setTimer(delayMs: number, run: () => void, isAwaited?: boolean): Timer;
}

/** The longest delay of the platform's timers (2^31 - 1 ms, 24.8 days). Longer ones are set in steps. */
export const LONGEST_PLATFORM_DELAY_MS = 2_147_483_647;

/** The machine's clock, the only place that makes timers. A timer keeps the process alive only if it `isAwaited`. */
export const systemClock: Clock = {
  now: () => Date.now(),
  // Bound, because that is read a quarter faster than through the object.
  monotonic: performance.now.bind(performance),
  setTimer(delayMs, run, isAwaited = false) {
    refuseNaN(delayMs);
    const due = performance.now() + delayMs;
    let handle: PlatformTimer;
    const arm = (left: number): void => {
      handle =
        left > LONGEST_PLATFORM_DELAY_MS
          ? setTimeout(() => arm(due - performance.now()), LONGEST_PLATFORM_DELAY_MS)
          : setTimeout(run, Math.max(0, left));
      if (!isAwaited) handle.unref();
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Runs `run` every `everyMs`, from one start to the next, until it is cancelled. */
export function setRepeatingTimer(clock: Clock, everyMs: number, run: () => void, isAwaited = false): Timer {
  let timer: Timer;
  let cancelled = false;
  const arm = (): void => {
    timer = clock.setTimer(
      everyMs,
      () => {
        arm();
        run();
      },
      isAwaited,
    );
    if (cancelled) timer.cancel();
  };
  arm();
  return {
    cancel() {
      cancelled = true;
      timer.cancel();
    },
  };
}

function refuseNaN(delayMs: number): void {
  if (Number.isNaN(delayMs)) throw new RangeError("a timer's delay must be a number of ms, not NaN");
}

/** A clock that moves only when it is moved. */
export interface ManualClock extends Clock {
  /** Moves both times forward and runs the timers that fall due, in the order in which they are due. */
  advance(ms: number): void;
  /** Changes only the wall time, as an operator or NTP does. */
  stepWall(ms: number): void;
}

/** Makes a clock for tests and simulations. It starts at the wall time `startMs`. */
export function createManualClock(startMs = 1_700_000_000_000): ManualClock {
  let wallOffset = startMs;
  let elapsed = 0;
  let order = 0;
  const timers = new Set<{ due: number; order: number; run: () => void }>();
  return {
    now: () => wallOffset + elapsed,
    monotonic: () => elapsed,
    setTimer(delayMs, run) {
      refuseNaN(delayMs);
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
