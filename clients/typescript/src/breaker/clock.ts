/** Time as the breakers of a client see it; tests decide what time it is. */
export interface BreakerClock {
  /** Wall time in ms since the Unix epoch. */
  now(): number;
  /** Milliseconds that only ever grow, from an arbitrary start. */
  monotonic(): number;
  /** Runs `run` once, after so long; `cancel` after that does nothing. */
  setTimer(delayMs: number, run: () => void): { cancel(): void };
}

/** The machine's clock. Its timers do not keep a process alive. */
export const systemClock: BreakerClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, run) {
    const timer = setTimeout(run, Math.max(0, delayMs));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
