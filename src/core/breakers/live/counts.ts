import type { Outcome } from "../../../kernel/breakers/machine.ts";

/** What a breaker counted since it was created or reset, or since the service started. */
export interface BreakerCounts {
  readonly successes: number;
  /** Includes probes that never reported. */
  readonly failures: number;
  readonly ignored: number;
  /** Slow calls, whether they succeeded or failed; without late ones. */
  readonly slow: number;
  readonly rejected: number;
  readonly lateSuccesses: number;
  readonly lateFailures: number;
}

export class Counters {
  #counts = zero();

  get counts(): BreakerCounts {
    return { ...this.#counts };
  }

  /** Counts `times` equal outcomes; `late` of them changed nothing. */
  outcome(outcome: Outcome, slow: boolean, times: number, late: number): void {
    const counts = this.#counts;
    if (slow && outcome !== "IGNORED") counts.slow += times - late;
    if (outcome === "IGNORED") {
      counts.ignored += times;
    } else if (outcome === "SUCCESS") {
      counts.successes += times - late;
      counts.lateSuccesses += late;
    } else {
      counts.failures += times - late;
      counts.lateFailures += late;
    }
  }

  rejection(): void {
    this.#counts.rejected += 1;
  }

  reset(): void {
    this.#counts = zero();
  }
}

function zero(): { -readonly [Key in keyof BreakerCounts]: number } {
  return { successes: 0, failures: 0, ignored: 0, slow: 0, rejected: 0, lateSuccesses: 0, lateFailures: 0 };
}
