import type { Signal } from "../async/signal.ts";

/** The function that is called through a breaker. Its signal is aborted when the caller no longer waits for the answer. */
export type BreakerCall<T> = (signal: Signal) => T | Promise<T>;

/** Answers instead of a call that was rejected, or that failed with `cause`. */
export type BreakerFallback<T> = (cause: unknown) => T | Promise<T>;

export interface BreakerCallOptions<T> {
  readonly fallback?: BreakerFallback<T>;
  /**
   * Whether an error of `fn` counts as a failure. Default: every error does. Other errors are rethrown, without the fallback.
   * A call that took too long always counts as a failure.
   */
  readonly isFailure?: (error: unknown) => boolean;
  /** The outcome of a call whose error is no failure by `isFailure`. Default: IGNORED. */
  readonly notFailureAs?: "IGNORED" | "SUCCESS";
  /** If it is aborted, the call rejects with its reason and counts as IGNORED. The fallback is not called. */
  readonly signal?: Signal;
  /** The timeout, above 0. A longer call counts as one failure; its later result is ignored. Absent or Infinity: none. */
  readonly timeoutMs?: number;
}
