import { type Clock, systemClock } from "../../src/kernel/clock.ts";

/** The machine's clock, except that timers of up to `mostMs` fire in a fifth of their time. */
export function hurried(mostMs: number): Clock {
  return {
    ...systemClock,
    setTimer: (delayMs, run, isAwaited) =>
      systemClock.setTimer(delayMs > mostMs ? delayMs : delayMs / 5, run, isAwaited),
  };
}
