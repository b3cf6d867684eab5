import type { Clock } from "../clock.ts";
import { HeliosError } from "../errors.ts";
import type { Outcome, Permit } from "./breaker.ts";
import type { Breaker, Breakers } from "./breakers.ts";
import type { BreakerConfigFields } from "./config.ts";

/** Answers in the place of a call that was rejected, or that failed with `cause`. */
export type Fallback<T> = (cause: unknown) => T | Promise<T>;

export interface HandleOptions {
  /** What the breaker is created with where it is not there. */
  readonly config?: BreakerConfigFields;
  /** For calls that give none of their own. */
  readonly fallback?: Fallback<unknown>;
}

export interface BreakerCallOptions<T> {
  readonly fallback?: Fallback<T>;
  /** Whether a call that threw this failed; default: yes. What did not fail is thrown on and counts as ignored. */
  readonly isFailure?: (error: unknown) => boolean;
  /** Aborting it rejects the call with its reason and counts as ignored. */
  readonly signal?: AbortSignal;
  /** A call that takes longer failed, once, whatever becomes of it. Default: none. */
  readonly timeoutMs?: number;
}

/** A call that may go ahead: settle it once; what comes later changes nothing. */
export interface HandlePermit {
  settle(outcome: Outcome): void;
}

/** A breaker to call through. */
export interface BreakerHandle {
  /**
   * Calls `fn` if the breaker lets it through. Rejected: the fallback's answer, else BREAKER_OPEN. Failed, in time or by
   * throwing (at once, too): the fallback's answer, else the error itself.
   */
  call<T>(fn: (signal: AbortSignal) => T | Promise<T>, options?: BreakerCallOptions<T>): Promise<T>;
  /** A permit, or null where the breaker rejects. */
  tryAcquire(): Promise<HandlePermit | null>;
  manualOpen(): Promise<Breaker>;
  manualReset(): Promise<Breaker>;
}

export function createHandle(
  breakers: Breakers,
  clock: Clock,
  name: string,
  { config, fallback: ownFallback }: HandleOptions = {},
): BreakerHandle {
  let ready: Promise<unknown> | undefined;
  const ensure = async (): Promise<void> => {
    ready ??= breakers.getOrCreate(name, config);
    await ready;
  };

  return {
    async call(fn, { fallback = ownFallback as Fallback<never> | undefined, isFailure, signal, timeoutMs } = {}) {
      await ensure();
      signal?.throwIfAborted();
      const permit = breakers.acquire(name);
      if (!permit.allowed) {
        const rejection = openError(name, permit);
        if (fallback === undefined) throw rejection;
        return fallback(rejection);
      }
      let outcome: Outcome = "SUCCESS";
      try {
        return await within(clock, fn, signal, timeoutMs);
      } catch (error) {
        const failed = !signal?.aborted && (isFailure?.(error) ?? true);
        outcome = failed ? "FAILURE" : "IGNORED";
        // The fallback must not run while the call still holds its slot.
        breakers.record(name, permit, outcome);
        if (failed && fallback !== undefined) return fallback(error);
        throw error;
      } finally {
        if (outcome === "SUCCESS") breakers.record(name, permit, outcome);
      }
    },
    async tryAcquire() {
      await ensure();
      const permit = breakers.acquire(name);
      if (!permit.allowed) return null;
      let settled = false;
      return {
        settle(outcome) {
          if (settled) return;
          settled = true;
          breakers.record(name, permit, outcome);
        },
      };
    },
    async manualOpen() {
      await ensure();
      return breakers.open(name);
    },
    async manualReset() {
      await ensure();
      return breakers.reset(name);
    },
  };
}

/** That a breaker rejected a call. */
export function openError(name: string, permit: Extract<Permit, { allowed: false }>): HeliosError {
  const { retryAfterMs } = permit;
  if (retryAfterMs === undefined) {
    return HeliosError.of("BREAKER_OPEN", { name, retry_after: "(not before it is reset)", override: "FORCED_OPEN" });
  }
  return HeliosError.of("BREAKER_OPEN", { name, retry_after: `${retryAfterMs / 1000} s` }, { retryAfterMs });
}

/** Runs `fn` until it settles, the signal is aborted or the time is over; `fn` sees both as its signal. */
function within<T>(
  clock: Clock,
  fn: (signal: AbortSignal) => T | Promise<T>,
  outer: AbortSignal | undefined,
  timeoutMs: number | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const inner = new AbortController();
    const end = (reason: unknown): void => {
      inner.abort(reason);
      reject(reason);
    };
    const abort = (): void => end(outer?.reason);
    const timer = timeoutMs === undefined ? undefined : clock.setTimer(timeoutMs, () => end(timeoutError(timeoutMs)));
    outer?.addEventListener("abort", abort, { once: true });
    const done = (): void => {
      timer?.cancel();
      outer?.removeEventListener("abort", abort);
    };
    Promise.try(fn, inner.signal).then(resolve, reject).finally(done);
  });
}

function timeoutError(timeoutMs: number): DOMException {
  return new DOMException(`the call took longer than ${timeoutMs} ms`, "TimeoutError");
}
