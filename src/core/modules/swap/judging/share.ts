import { BUCKETS } from "../../../../kernel/flags/bucket.ts";

/**
 * Returns a function that is called for each call, and returns whether the call belongs to a share (0 to 1) of the calls. Of n
 * calls, n × share rounded down belong to it. At a share of 0.1, the tenth call is the first.
 */
export function picking(share: number): () => boolean {
  let seen = 0;
  let picked = 0;
  return () => {
    seen += 1;
    // Uses a quotient, because the sum of ten times 0.1 is less than 1 in floating point.
    if ((picked + 1) / seen > share) return false;
    picked += 1;
    return true;
  };
}

/** Converts a share (0 to 1) to a number of buckets, at least one. A bucket is a thousandth of a per cent, as for flags. */
export const bucketsOf = (share: number): number => Math.max(1, Math.round(share * BUCKETS));
