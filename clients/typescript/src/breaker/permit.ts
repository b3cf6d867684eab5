import type { Outcome } from "../../../../src/kernel/breakers/machine.ts";

/** A call that may go ahead: settle it, or release it, once; what comes later changes nothing. */
export interface BreakerPermit {
  /**
   * Tells how the call went. IGNORED says nothing of the dependency: cancelled by its caller, wrong input, never sent.
   * `durationMs` is how long it took; absent: the time since the permit was given, where slow calls can open the breaker,
   * else it was not slow.
   */
  settle(outcome: Outcome, durationMs?: number): void;
  /** For a call that never started: it has no say. */
  release(): void;
}

/** What a permit is of. */
export interface Grant {
  /** What the client's own machine was when it gave the permit. */
  readonly era: number;
  /** As it is reported. */
  readonly epoch: number;
  /** Of the service. */
  readonly leaseId: string | undefined;
  /** Of the client's own machine. */
  readonly ownLeaseId: string | undefined;
}

export interface Granter {
  /** Whether it matters how long calls take. */
  readonly isTimed: boolean;
  now(): number;
  settled(grant: Grant, outcome: Outcome, durationMs: number): void;
  released(grant: Grant): void;
}

export class Permit implements BreakerPermit, Grant {
  readonly era: number;
  readonly epoch: number;
  readonly leaseId: string | undefined;
  readonly ownLeaseId: string | undefined;
  /** Not taken where it does not matter: reading the clock costs more than all the rest. */
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
      throw new TypeError(`outcome: ${JSON.stringify(outcome)} is none of SUCCESS, FAILURE and IGNORED`);
    const granter = this.#granter;
    if (granter === undefined) return;
    this.#granter = undefined;
    const start = this.#start;
    granter.settled(this, outcome, durationMs ?? (start === undefined ? 0 : granter.now() - start));
  }

  release(): void {
    const granter = this.#granter;
    this.#granter = undefined;
    granter?.released(this);
  }
}
