import type { Ending, Instance } from "./host.ts";

type Listener = (ending: Ending) => void;

/** The listeners of each instance. The value is undefined once the instance has ended. */
const listening = new WeakMap<Pick<Instance, "ended">, Set<Listener> | undefined>();

/**
 * Calls `listener` when an instance has ended, and soon if it has already ended. The returned function removes the
 * listener. Use this instead of `ended.then`: an instance may serve for months, and a promise keeps its callbacks that
 * long.
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
  // A caller may add the same function twice, so each registration needs its own identity.
  const own: Listener = (ending) => listener(ending);
  listeners.add(own);
  return () => listeners.delete(own);
}
