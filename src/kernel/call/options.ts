import type { Signal } from "../async/signal.ts";

/** What is called through a breaker. Its signal is aborted when nobody waits for the answer any more. */
export type BreakerCall<T> = (signal: Signal) => T | Promise<T>;

/** Answers instead of a call that was rejected, or that failed with `cause`. */
export type BreakerFallback<T> = (cause: unknown) => T | Promise<T>;

export interface BreakerCallOptions<T> {
  readonly fallback?: BreakerFallback<T>;
  /**
   * Whether a call that threw this error failed. Default: it did. Other errors are thrown on, without the fallback. A call
   * that took too long failed, whatever this says.
   */
  readonly isFailure?: (error: unknown) => boolean;
  /** What a call counts as whose error is not a failure by `isFailure`. Default: IGNORED. */
  readonly notFailureAs?: "IGNORED" | "SUCCESS";
  /** Aborting it rejects the call with its reason; the call counts as IGNORED, and the fallback is not asked. */
  readonly signal?: Signal;
  /** A call that takes longer has failed, once, whatever becomes of it. Above 0. Absent or Infinity: no limit. */
  readonly timeoutMs?: number;
}
