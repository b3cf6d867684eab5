/**
 * Repeats `attempt` until it succeeds.
 *
 * @param again called after each failure with its error and the number of failures so far. The next attempt starts when the
 * returned promise resolves. If it rejects, `retry` rejects with the same error.
 */
export async function retry<T>(
  attempt: () => Promise<T>,
  again: (error: unknown, failures: number) => Promise<void>,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      await again(error, failures);
    }
  }
}

export interface Backoff {
  /** The longest wait after the first failure, in ms. Each further failure doubles it. */
  readonly minMs: number;
  /** The longest wait after any failure, in ms. */
  readonly maxMs: number;
}

/** Bounds the exponent. Without it, 0 ms times an infinite factor would be NaN. The bound exceeds every useful wait. */
const MOST_DOUBLINGS = 40;

/**
 * Returns how many ms to wait after a number of consecutive failures. Uses exponential backoff with full jitter, so that
 * clients that failed together do not retry together (M. Brooker, AWS Architecture Blog, 2015).
 *
 * @param random a random number from 0 to 1.
 */
export function backoffMs(failures: number, { minMs, maxMs }: Backoff, random: () => number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, MOST_DOUBLINGS)) * random();
}
