import { type Clock, createManualClock, type ManualClock, systemClock } from "../../src/kernel/clock.ts";

/** The machine's clock, except that timers of up to `mostMs` fire in a fifth of their time. */
export function hurried(mostMs: number): Clock {
  return {
    ...systemClock,
    setTimer: (delayMs, run, isAwaited) =>
      systemClock.setTimer(delayMs > mostMs ? delayMs : delayMs / 5, run, isAwaited),
  };
}

/** The machine's clock, and the number of its pending timers. */
export function countedClock(): { readonly clock: Clock; timers(): number } {
  const pending = new Set<object>();
  const setTimer: Clock["setTimer"] = (delayMs, run, isAwaited) => {
    const key = {};
    pending.add(key);
    const timer = systemClock.setTimer(
      delayMs,
      () => {
        pending.delete(key);
        run();
      },
      isAwaited,
    );
    return {
      cancel() {
        pending.delete(key);
        timer.cancel();
      },
    };
  };
  return { clock: { ...systemClock, setTimer }, timers: () => pending.size };
}

export interface WatchedClock {
  readonly clock: ManualClock;
  /** The same clock for other parts, whose timers do not count. */
  readonly unwatched: ManualClock;
  /** The delays of all timers that were set, oldest first. */
  readonly delays: readonly number[];
  /** The number of pending timers. */
  timers(): number;
  /** Resolves when a timer of so many ms is set for the nth time. */
  isSet(delayMs: number, times?: number): Promise<void>;
}

/** A manual clock that shows which timers were set. */
export function watchedClock(startMs?: number): WatchedClock {
  const manual = createManualClock(startMs);
  const delays: number[] = [];
  const pending = new Set<object>();
  const waiting = new Set<() => void>();
  const clock: ManualClock = {
    ...manual,
    setTimer(delayMs, run) {
      const key = {};
      const timer = manual.setTimer(delayMs, () => {
        pending.delete(key);
        run();
      });
      pending.add(key);
      delays.push(delayMs);
      for (const look of waiting) look();
      return {
        cancel() {
          pending.delete(key);
          timer.cancel();
        },
      };
    },
  };
  return {
    clock,
    unwatched: manual,
    delays,
    timers: () => pending.size,
    isSet: (delayMs, times = 1) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (delays.filter((one) => one === delayMs).length < times) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}
