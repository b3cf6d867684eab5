import type { Clock } from "../../core/index.ts";

/** Limits how often something may happen. */
export interface Bucket {
  /** Returns whether it may happen now, so many times. Default: once. */
  take(times?: number): boolean;
}

/** Allows `burst` events at once, and `perSecond` in the long run (a token bucket). */
export function createBucket(clock: Clock, burst: number, perSecond: number): Bucket {
  let tokens = burst;
  let refilledAt = clock.monotonic();
  return {
    take(times = 1) {
      const now = clock.monotonic();
      tokens = Math.min(burst, tokens + ((now - refilledAt) * perSecond) / 1000);
      refilledAt = now;
      tokens -= times;
      return tokens >= 0;
    },
  };
}
