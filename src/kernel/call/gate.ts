import type { Signal } from "../async/signal.ts";
import type { Outcome } from "../breakers/machine.ts";
import type { Clock } from "../clock.ts";
import type { BreakerFallback } from "./options.ts";

/** A call that may go ahead. One of the two is called, once. */
export interface CallPermit {
  /** Reports how the call went. */
  settle(outcome: Outcome): void;
  /** Gives the permit back: the call never started, and counts as nothing. */
  release(): void;
}

/** The answer to a call that must not go ahead. */
export class Rejection {
  /** What the call rejects with, where it has no fallback. */
  readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }
}

/** What a breaker answers to a call that asks to go ahead. */
export type Admission = CallPermit | Rejection;

/** A breaker, as calls through it see it. */
export interface Gate {
  readonly clock: Clock;
  /** Whether a call that may time out keeps the process alive. The engine's process lives by what it serves. */
  readonly keepsAlive: boolean;
  /** For calls that bring none of their own. */
  readonly fallback?: BreakerFallback<unknown> | undefined;
  /**
   * Asks whether a call may go ahead. Where that takes long, a gate may reject as soon as the caller's signal is aborted.
   */
  acquire(signal: Signal | undefined): Admission | Promise<Admission>;
  /** The error for an option that is wrong. */
  invalid(option: string, problem: string): Error;
}
