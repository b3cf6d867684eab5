import { BUCKETS } from "../../../../kernel/flags/bucket.ts";

/**
 * Returns a function that says of each call in turn whether it belongs to a share (0 to 1) of the calls. Of n calls the
 * whole part of n × share does: at 0.1 the tenth.
 */
export function picking(share: number): () => boolean {
  let seen = 0;
  let picked = 0;
  return () => {
    seen += 1;
    // A quotient, since 0.1 added up ten times is less than 1.
    if ((picked + 1) / seen > share) return false;
    picked += 1;
    return true;
  };
}

/** How many buckets a share (0 to 1) is, at least one. A bucket is a thousandth of a per cent, as for flags. */
export const bucketsOf = (share: number): number => Math.max(1, Math.round(share * BUCKETS));
