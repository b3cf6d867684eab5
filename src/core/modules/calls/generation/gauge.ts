import type { Sample } from "../../record/report.ts";
import { addLatency, type Latencies, latenciesSince, noLatencies, quantile } from "./latency.ts";

/** The counts of a gauge at one moment. A later reading minus this one gives the calls in between. */
export interface Reading {
  readonly calls: number;
  readonly failures: number;
  readonly latencies: Latencies;
}

const NO_CALLS: Reading = { calls: 0, failures: 0, latencies: noLatencies() };

/** Counts the calls of one generation, their failures and their latencies. */
export class Gauge {
  #calls = 0;
  #failures = 0;
  readonly #latencies = noLatencies();
  /** Called after each call. `failed`: the call counts as a failure of the module. */
  listener: ((failed: boolean) => void) | undefined;

  /** `failed`: the call counts as a failure of the module. */
  record(failed: boolean, durationMs: number): void {
    this.#calls += 1;
    if (failed) this.#failures += 1;
    addLatency(this.#latencies, durationMs);
    this.listener?.(failed);
  }

  get calls(): number {
    return this.#calls;
  }

  /** The calls that count as failures of the module. */
  get failures(): number {
    return this.#failures;
  }

  read(): Reading {
    return { calls: this.#calls, failures: this.#failures, latencies: this.#latencies.slice() };
  }

  /** The counts since the start of the generation. */
  sample(): Sample {
    return this.since(NO_CALLS);
  }

  /** The counts since an earlier reading. */
  since(before: Reading): Sample {
    return {
      calls: this.#calls - before.calls,
      failures: this.#failures - before.failures,
      p99Ms: quantile(latenciesSince(this.#latencies, before.latencies), 0.99),
    };
  }
}
