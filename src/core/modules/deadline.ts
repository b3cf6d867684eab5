import type { Clock } from "../clock.ts";

/** `promise`, but a rejection with `late()` once `ms` have passed. What comes of the promise after that is dropped. */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(ms, () => reject(late()));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}
