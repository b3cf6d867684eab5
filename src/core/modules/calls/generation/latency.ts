/** Buckets from a duration to its double. A quantile is at most 9 % too high. */
const PER_DOUBLING = 8;
/** Enough buckets for durations from 1 µs to more than an hour. */
const BUCKETS = 33 * PER_DOUBLING;

/** Counts of durations, in buckets whose bounds grow by a constant factor, as in Prometheus' native histograms. */
export type Latencies = Uint32Array;

export function noLatencies(): Latencies {
  return new Uint32Array(BUCKETS);
}

export function addLatency(latencies: Latencies, durationMs: number): void {
  const index = bucketOf(durationMs);
  latencies[index] = (latencies[index] ?? 0) + 1;
}

/** The upper bound, in ms, of the bucket that contains the quantile. `share` is from 0 to 1. Returns 0 without counts. */
export function quantile(latencies: Latencies, share: number): number {
  let total = 0;
  for (const count of latencies) total += count;
  if (total === 0) return 0;
  let left = Math.max(1, Math.ceil(total * share));
  for (const [index, count] of latencies.entries()) {
    left -= count;
    if (left <= 0) return 2 ** (index / PER_DOUBLING) / 1000;
  }
  return 2 ** ((BUCKETS - 1) / PER_DOUBLING) / 1000;
}

/** The counts that were added between two readings. */
export function latenciesSince(now: Latencies, before: Latencies): Latencies {
  return now.map((count, index) => count - (before[index] ?? 0));
}

function bucketOf(durationMs: number): number {
  const micros = durationMs * 1000;
  return micros <= 1 ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log2(micros) * PER_DOUBLING));
}
