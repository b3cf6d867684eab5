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
  const abort = (): void => reject(signal.reason);
  const timer = clock.setTimer(durationMs, () => check(true));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  check(false);
  const done = promise.finally(() => {
    timer.cancel();
    signal.removeEventListener("abort", abort);
  });
  return { again: () => check(false), done };
}
