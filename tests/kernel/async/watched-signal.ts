import type { Signal } from "../../../src/kernel/async/signal.ts";

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
