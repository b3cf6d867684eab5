import type { Clock } from "../clock.ts";

/** `promise`, but a rejection with `late()` once `ms` have passed. What comes of the promise after that is dropped. */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(ms, () => reject(late()));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** So long for people, in whole ms: what is left of a deadline has many digits. */
export function seconds(ms: number): string {
  return `${Math.ceil(ms) / 1000} s`;
}
