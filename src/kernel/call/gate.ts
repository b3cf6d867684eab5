import type { Signal } from "../async/signal.ts";
import type { Outcome } from "../breakers/machine.ts";
import type { Clock } from "../clock.ts";
import type { BreakerFallback } from "./options.ts";

/** A call that may go ahead. Exactly one of its two methods must be called, once. */
export interface CallPermit {
  /** Reports the outcome of the call. */
  settle(outcome: Outcome): void;
  /** Gives the permit back, because the call never started. It is not counted. */
  release(): void;
}

/** The answer to a call that must not go ahead. */
export class Rejection {
  /** The error of the call if it has no fallback. */
  readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }
}

/** The gate's answer to a call that asks whether it may go ahead. */
export type Admission = CallPermit | Rejection;

/** A breaker, as calls through it see it. */
export interface Gate {
  readonly clock: Clock;
  /** Whether a call with a timeout keeps the process alive. False in the engine, whose server keeps the process alive. */
  readonly keepsAlive: boolean;
  /** The fallback of calls that have none of their own. */
  readonly fallback?: BreakerFallback<unknown> | undefined;
  /**
   * Asks whether a call may go ahead. A gate that has to wait may reject as soon as the caller's signal is aborted.
   */
  acquire(signal: Signal | undefined): Admission | Promise<Admission>;
  /** Creates the error for an invalid option. */
  invalid(option: string, problem: string): Error;
}
