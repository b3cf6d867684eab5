import { BUCKETS } from "../../../../kernel/flags/bucket.ts";

/**
 * Says of one call after the other whether it is among that share (0 to 1) of them: of each n calls the whole part of
 * n × share, so that at 0.1 the tenth is.
 */
export function picking(share: number): () => boolean {
  let seen = 0;
  let picked = 0;
  return () => {
    seen += 1;
    // A quotient, as rates are compared: 0.1 added up ten times is less than 1.
    if ((picked + 1) / seen > share) return false;
    picked += 1;
    return true;
  };
}

/** How many of the buckets are that share (0 to 1): thousandths of a per cent, as of flags, and one at least. */
export const bucketsOf = (share: number): number => Math.max(1, Math.round(share * BUCKETS));
