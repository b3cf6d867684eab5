import { onAbort } from "../../../../kernel/async/signal.ts";
import type { Clock } from "../../../../kernel/clock.ts";

/**
 * Waits until `look` returns true, or the time is over. `look` is called at once, at each call of `again`, and at the
 * end with `over`. `done` rejects with what `look` throws, and with the signal's reason.
 */
export function observe(
  clock: Clock,
  durationMs: number,
  signal: AbortSignal,
  look: (over: boolean) => boolean,
): { readonly again: () => void; readonly done: Promise<void> } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const check = (over: boolean): void => {
    try {
      if (look(over) || over) resolve();
    } catch (error) {
      reject(error);
    }
  };
  const timer = clock.setTimer(durationMs, () => check(true));
  const stopListening = onAbort(signal, () => reject(signal.reason));
  check(false);
  const done = promise.finally(() => {
    timer.cancel();
    stopListening();
  });
  return { again: () => check(false), done };
}
