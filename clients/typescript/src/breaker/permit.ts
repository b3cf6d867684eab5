import type { Outcome } from "../../../../src/kernel/breakers/machine.ts";

/** A call that may go ahead. It is settled or released once. Further calls of these methods have no effect. */
export interface BreakerPermit {
  /**
   * Reports the outcome of the call. IGNORED says nothing about the dependency, for example because the caller left, the input
   * was wrong, or the call was never sent. `durationMs` is the duration of the call. Default: the time since the permit was
   * given. If slow calls cannot open the breaker, the default counts as not slow.
   */
  settle(outcome: Outcome, durationMs?: number): void;
  /** Gives the permit back, because the call never started. It is not counted. */
  release(): void;
}

/** What is known about a permit that was given. */
export interface Grant {
  /** The era of the circuit in which the permit was given. */
  readonly era: number;
  /** The epoch with which the outcome is reported. */
  readonly epoch: number;
  /** The lease, if the service gave a probe. */
  readonly leaseId: string | undefined;
  /** The lease, if the client's own machine gave a probe. */
  readonly ownLeaseId: string | undefined;
}

export interface Granter {
  /** Whether durations of calls matter. */
  readonly isTimed: boolean;
  now(): number;
  /** `now`: the end of the call, if it was measured. */
  settled(grant: Grant, outcome: Outcome, durationMs: number, now?: number): void;
  released(grant: Grant): void;
}

export class Permit implements BreakerPermit, Grant {
  readonly era: number;
  readonly epoch: number;
  readonly leaseId: string | undefined;
  readonly ownLeaseId: string | undefined;
  /** Undefined if durations do not matter, because reading the clock costs more than everything else here. */
  readonly #start: number | undefined;
  #granter: Granter | undefined;

  constructor(granter: Granter, era: number, epoch: number, leaseId?: string, ownLeaseId?: string) {
    this.#granter = granter;
    this.era = era;
    this.epoch = epoch;
    this.leaseId = leaseId;
    this.ownLeaseId = ownLeaseId;
    this.#start = granter.isTimed ? granter.now() : undefined;
  }

  settle(outcome: Outcome, durationMs?: number): void {
    if (outcome !== "SUCCESS" && outcome !== "FAILURE" && outcome !== "IGNORED")
      throw new TypeError(`outcome: must be SUCCESS, FAILURE or IGNORED, not ${JSON.stringify(outcome)}`);
    const granter = this.#granter;
    if (granter === undefined) return;
    this.#granter = undefined;
    const start = this.#start;
    if (durationMs === undefined && start !== undefined) {
      const now = granter.now();
      granter.settled(this, outcome, now - start, now);
    } else granter.settled(this, outcome, durationMs ?? 0);
  }

  release(): void {
    const granter = this.#granter;
    this.#granter = undefined;
    granter?.released(this);
  }
}
