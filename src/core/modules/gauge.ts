import { addLatency, type Latencies, latenciesSince, noLatencies, quantile } from "./latency.ts";
import type { Sample } from "./report.ts";

/** A reading of a gauge, to compare later ones with. */
export interface Reading {
  readonly calls: number;
  readonly failures: number;
  readonly latencies: Latencies;
}

/** Counts how the calls of one generation go. */
export class Gauge {
  #calls = 0;
  #failures = 0;
  readonly #latencies = noLatencies();
  /** Told of each call, whether the module has to answer for its failure. */
  listener: ((failed: boolean) => void) | undefined;

  /** `failed`: the module has to answer for it. */
  record(failed: boolean, durationMs: number): void {
    this.#calls += 1;
    if (failed) this.#failures += 1;
    addLatency(this.#latencies, durationMs);
    this.listener?.(failed);
  }

  read(): Reading {
    return { calls: this.#calls, failures: this.#failures, latencies: this.#latencies.slice() };
  }

  /** Calls since a reading; cheap. */
  callsSince(before: Reading): number {
    return this.#calls - before.calls;
  }

  since(before: Reading): Sample {
    return {
      calls: this.#calls - before.calls,
      failures: this.#failures - before.failures,
      p99Ms: quantile(latenciesSince(this.#latencies, before.latencies), 0.99),
    };
  }
}
