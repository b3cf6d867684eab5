import type { Outcome } from "../../../kernel/breakers/machine.ts";

/** Outcomes of calls through one breaker in one epoch, in the order in which the calls ended. */
export interface OutcomeReport {
  readonly name: string;
  readonly epoch: number;
  /** The lease of a probe; the report then has one outcome. */
  readonly leaseId?: string | undefined;
  /** `count` equal outcomes in a row, a whole number from 1. `slow`: each call took longer than `slowCallDurationMs`. */
  readonly runs: readonly { readonly outcome: Outcome; readonly count: number; readonly slow?: boolean }[];
}
