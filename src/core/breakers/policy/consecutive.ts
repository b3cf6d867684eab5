import type { TripPolicy } from "./policy.ts";

/**
 * Trips at the `failureThreshold`-th failure in a row: what it keeps is the number of failures since the last success.
 * An ignored outcome changes nothing.
 */
export const consecutive: TripPolicy<number> = {
  empty: 0,
  tripsAfter: (failures, outcome, { failureThreshold }) =>
    // The threshold may have been lowered below what has been counted.
    outcome === "FAILURE" ? Math.max(1, failureThreshold - failures) : Number.POSITIVE_INFINITY,
  add(failures, outcome, times) {
    if (outcome === "SUCCESS") return 0;
    return outcome === "FAILURE" ? failures + times : failures;
  },
};
