/** Buckets of a doubling; a bucket is 2.2 % wide. */
const PER_DOUBLING = 32;
const SMALLEST_MS = 1e-3;
const DOUBLINGS = 32;

/** Durations, counted in buckets of which each is 2.2 % wider than the one before. Adding one allocates nothing. */
export interface Latencies {
  add(ms: number): void;
  /** The duration that this share of all durations does not exceed, in ms. NaN if there are none. */
  at(share: number): number;
  readonly count: number;
  clear(): void;
}

export function createLatencies(): Latencies {
  const buckets = new Uint32Array(PER_DOUBLING * DOUBLINGS);
  let count = 0;
  return {
    add(ms) {
      const bucket = Math.floor(Math.log2(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) * PER_DOUBLING);
      const at = Math.min(bucket, buckets.length - 1);
      buckets[at] = (buckets[at] ?? 0) + 1;
      count += 1;
    },
    at(share) {
      const rank = Math.max(1, Math.ceil(share * count));
      let below = 0;
      for (const [bucket, held] of buckets.entries()) {
        below += held;
        if (below >= rank) return SMALLEST_MS * 2 ** ((bucket + 0.5) / PER_DOUBLING);
      }
      return Number.NaN;
    },
    get count() {
      return count;
    },
    clear() {
      buckets.fill(0);
      count = 0;
    },
  };
}
