import type { Signal } from "../../../src/kernel/async/signal.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";

type Listener = () => void;

/** A signal, and the number of its listeners. */
export function watchedSignal() {
  const controller = new AbortController();
  const listeners = new Set<Listener>();
  controller.signal.addEventListener("abort", () => {
    for (const listener of listeners) {
      listeners.delete(listener);
      listener();
    }
  });
  const counting = {
    addEventListener: (_: string, listener: Listener) => listeners.add(listener),
    removeEventListener: (_: string, listener: Listener) => listeners.delete(listener),
  };
  const signal = Object.assign(controller.signal, counting) as Signal;
  return { controller, signal, listeners: () => listeners.size };
}

/** A clock, and the number of its pending timers. */
export function watchedClock() {
  const clock = createManualClock();
  const pending = new Set<object>();
  const setTimer: typeof clock.setTimer = (ms, run) => {
    const key = {};
    pending.add(key);
    const timer = clock.setTimer(ms, () => {
      pending.delete(key);
      run();
    });
    return {
      cancel() {
        pending.delete(key);
        timer.cancel();
      },
    };
  };
  return { clock: { ...clock, setTimer }, timers: () => pending.size };
}
