import type { Ending, Instance } from "./host.ts";

type Listener = (ending: Ending) => void;

/** Undefined: it has ended. */
const listening = new WeakMap<Pick<Instance, "ended">, Set<Listener> | undefined>();

/**
 * Calls `listener` when an instance has ended, at once where it has. What is returned takes the listener off: an instance
 * may serve for months, and what hangs on `ended` stays there as long.
 */
export function onEnd(instance: Pick<Instance, "ended">, listener: Listener): () => void {
  if (!listening.has(instance)) {
    listening.set(instance, new Set());
    void instance.ended.then((ending) => {
      const listeners = listening.get(instance) ?? [];
      listening.set(instance, undefined);
      for (const each of listeners) each(ending);
    });
  }
  const listeners = listening.get(instance);
  if (listeners === undefined) {
    void instance.ended.then(listener);
    return () => {};
  }
  // The same function may listen twice.
  const own: Listener = (ending) => listener(ending);
  listeners.add(own);
  return () => listeners.delete(own);
}
