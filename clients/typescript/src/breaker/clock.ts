/** Time as the breakers of a client see it; tests decide what time it is. */
export interface BreakerClock {
  /** Wall time in ms since the Unix epoch. */
  now(): number;
  /** Milliseconds that only ever grow, from an arbitrary start. */
  monotonic(): number;
  /** Runs `run` once, after so long; `cancel` after that does nothing. `isAwaited`: the process is to live until then. */
  setTimer(delayMs: number, run: () => void, isAwaited?: boolean): { cancel(): void };
}

/** The machine's clock. Its timers keep no process alive, but for those that somebody waits for. */
export const systemClock: BreakerClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, run, isAwaited = false) {
    const timer = setTimeout(run, Math.max(0, delayMs));
    if (!isAwaited) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
