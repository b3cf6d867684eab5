/**
 * Tries until an attempt succeeds. After each failure it waits for `again`, which rejects with what to give up with.
 *
 * @param again the error of the last attempt, and how many have failed so far.
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
  /** The longest wait after the first failure, ms; each further one doubles it. */
  readonly minMs: number;
  /** The longest wait after any failure, ms. */
  readonly maxMs: number;
}

/** Enough for every longest wait; without a bound 0 ms would be doubled to no number. */
const MOST_DOUBLINGS = 40;

/**
 * How long to wait after so many failures in a row, ms: exponential backoff with full jitter, so that clients that failed
 * together do not come back together (M. Brooker, AWS Architecture Blog, 2015).
 *
 * @param random 0 to 1.
 */
export function backoffMs(failures: number, { minMs, maxMs }: Backoff, random: () => number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, MOST_DOUBLINGS)) * random();
}
