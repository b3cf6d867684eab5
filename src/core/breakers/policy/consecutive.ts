import type { Outcome } from "../breaker.ts";

/**
 * Trips at the `failureThreshold`-th failure in a row: what it keeps is the number of failures since the last success.
 * An ignored outcome changes nothing.
 */
export function countFailures(failures: number, outcome: Outcome): number {
  if (outcome === "SUCCESS") return 0;
  return outcome === "FAILURE" ? failures + 1 : failures;
}
