import type { Sample } from "../../record/report.ts";
import { addLatency, type Latencies, latenciesSince, noLatencies, quantile } from "./latency.ts";

/** A reading of a gauge, to compare later ones with. */
export interface Reading {
  readonly calls: number;
  readonly failures: number;
  readonly latencies: Latencies;
}

const NO_CALLS: Reading = { calls: 0, failures: 0, latencies: noLatencies() };

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

  get calls(): number {
    return this.#calls;
  }

  /** Those that the module has to answer for. */
  get failures(): number {
    return this.#failures;
  }

  read(): Reading {
    return { calls: this.#calls, failures: this.#failures, latencies: this.#latencies.slice() };
  }

  /** Of all calls. */
  sample(): Sample {
    return this.since(NO_CALLS);
  }

  since(before: Reading): Sample {
    return {
      calls: this.#calls - before.calls,
      failures: this.#failures - before.failures,
      p99Ms: quantile(latenciesSince(this.#latencies, before.latencies), 0.99),
    };
  }
}
