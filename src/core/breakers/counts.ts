import type { Outcome } from "./breaker.ts";

/** What a breaker counted since it was created or reset, or the service started. */
export interface BreakerCounts {
  readonly successes: number;
  readonly failures: number;
  readonly ignored: number;
  readonly rejected: number;
  readonly lateSuccesses: number;
  readonly lateFailures: number;
}

/** Counters of one breaker. */
export class Counters {
  #counts = zero();

  get counts(): BreakerCounts {
    return { ...this.#counts };
  }

  outcome(outcome: Outcome, late: boolean): void {
    if (outcome === "IGNORED") this.#counts.ignored += 1;
    else if (outcome === "SUCCESS") this.#counts[late ? "lateSuccesses" : "successes"] += 1;
    else this.#counts[late ? "lateFailures" : "failures"] += 1;
  }

  rejection(): void {
    this.#counts.rejected += 1;
  }

  reset(): void {
    this.#counts = zero();
  }
}

function zero(): { -readonly [Key in keyof BreakerCounts]: number } {
  return { successes: 0, failures: 0, ignored: 0, rejected: 0, lateSuccesses: 0, lateFailures: 0 };
}
