import type { Outcome, Permit } from "../../kernel/breakers/breaker.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { By } from "../change.ts";
import { checkSpan } from "../check-span.ts";
import { HeliosError, isReason } from "../errors.ts";
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
  /**
   * Whether a call that threw this failed; default: yes. What did not fail is thrown on. A call that took too long
   * failed, whatever this says.
   */
  readonly isFailure?: (error: unknown) => boolean;
  /** What a call counts as that threw what `isFailure` says is none; default: IGNORED. */
  readonly notFailureAs?: "IGNORED" | "SUCCESS";
  /** Aborting it rejects the call with its reason and counts as ignored; there is no fallback then. */
  readonly signal?: AbortSignal;
  /** A call that takes longer failed, once, whatever becomes of it. Above 0; Infinity and absent: none. */
  readonly timeoutMs?: number;
}

/** A call that may go ahead: settle it, or release it, once; what comes later changes nothing. */
export interface HandlePermit {
  settle(outcome: Outcome): void;
  /** For a call that never started: nothing is counted. */
  release(): void;
}

/** A breaker to call through. It is created where it is not there, at the first use or after somebody deleted it. */
export interface BreakerHandle {
  /**
   * Calls `fn` if the breaker lets it through. Rejected: the fallback's answer, else BREAKER_OPEN. Failed, in time or by
   * throwing (at once, too): the fallback's answer, else the error itself. `fn` is told by its signal when nobody waits
   * for it any more.
   */
  call<T>(fn: (signal: AbortSignal) => T | Promise<T>, options?: BreakerCallOptions<T>): Promise<T>;
  /** A permit, or null where the breaker rejects. */
  tryAcquire(): Promise<HandlePermit | null>;
  manualOpen(by?: By): Promise<Breaker>;
  manualReset(by?: By): Promise<Breaker>;
}

export function createHandle(
  breakers: Breakers,
  clock: Clock,
  name: string,
  { config, fallback: ownFallback }: HandleOptions = {},
): BreakerHandle {
  const acquire = (): Permit | Promise<Permit> => {
    try {
      return breakers.acquire(name);
    } catch (error) {
      if (!isReason(error, "BREAKER_NOT_FOUND")) throw error;
      return breakers.getOrCreate(name, config).then(() => breakers.acquire(name));
    }
  };

  return {
    async call(fn, options = {}) {
      const { fallback = ownFallback as Fallback<never> | undefined, isFailure, signal, timeoutMs } = options;
      checkTimeout(timeoutMs);
      signal?.throwIfAborted();
      const asked = acquire();
      const permit = asked instanceof Promise ? await asked : asked;
      if (!permit.allowed) {
        const rejection = openError(name, permit);
        if (fallback === undefined) throw rejection;
        return fallback(rejection);
      }
      if (signal?.aborted) {
        breakers.release(name, permit);
        throw signal.reason;
      }
      const start = clock.monotonic();
      const settle = (outcome: Outcome): void => breakers.record(name, permit, outcome, clock.monotonic() - start);
      let timedOut = false;
      let answer: Awaited<ReturnType<typeof fn>>;
      try {
        const isFree = signal === undefined && timeoutMs === undefined;
        const expire = (): void => {
          timedOut = true;
        };
        answer = await (isFree ? fn(signalFor(fn)) : within(clock, fn, signal, timeoutMs, expire));
      } catch (error) {
        // Should `isFailure` itself throw, the call failed.
        let outcome: Outcome = "FAILURE";
        try {
          if (timedOut) outcome = "FAILURE";
          else if (signal?.aborted) outcome = "IGNORED";
          else if (isFailure?.(error) === false) outcome = options.notFailureAs ?? "IGNORED";
        } finally {
          settle(outcome);
        }
        if (outcome !== "FAILURE" || fallback === undefined) throw error;
        return fallback(error);
      }
      settle("SUCCESS");
      return answer;
    },
    async tryAcquire() {
      const permit = await acquire();
      if (!permit.allowed) return null;
      const start = clock.monotonic();
      let settled = false;
      const once = (settle: () => void): void => {
        if (settled) return;
        settled = true;
        settle();
      };
      return {
        settle: (outcome) => once(() => breakers.record(name, permit, outcome, clock.monotonic() - start)),
        release: () => once(() => breakers.release(name, permit)),
      };
    },
    async manualOpen(by) {
      await breakers.getOrCreate(name, config);
      return breakers.open(name, by);
    },
    async manualReset(by) {
      await breakers.getOrCreate(name, config);
      return breakers.reset(name, by);
    },
  };
}

/** That a breaker rejected a call. */
export function openError(name: string, { override, retryAfterMs }: Extract<Permit, { allowed: false }>): HeliosError {
  const metadata = { name, ...(override === undefined ? {} : { override }) };
  if (retryAfterMs === undefined) {
    return HeliosError.of("BREAKER_OPEN", { ...metadata, retry_after: "(not before it is reset)" });
  }
  const seconds = Math.ceil(retryAfterMs) / 1000;
  return HeliosError.of("BREAKER_OPEN", { ...metadata, retry_after: `${seconds} s` }, { retryAfterMs });
}

const NEVER = new AbortController().signal;

/** A signal that is never aborted: one of its own, which costs more than all the rest, only where the call can look at it. */
function signalFor({ length }: { readonly length: number }): AbortSignal {
  return length === 0 ? NEVER : new AbortController().signal;
}

/** Runs `fn` until it settles, the signal is aborted or the time is over; `fn` sees both as its signal. */
function within<T>(
  clock: Clock,
  fn: (signal: AbortSignal) => T | Promise<T>,
  outer: AbortSignal | undefined,
  timeoutMs: number | undefined,
  onTimeout: () => void,
): Promise<T> {
  const inner = new AbortController();
  return new Promise((resolve, reject) => {
    const end = (reason: unknown): void => {
      done();
      reject(reason);
      inner.abort(reason);
    };
    const abort = (): void => end(outer?.reason);
    const expire = (): void => {
      onTimeout();
      end(new DOMException(`the call took longer than ${timeoutMs} ms`, "TimeoutError"));
    };
    const timer = timeoutMs === undefined ? undefined : clock.setTimer(timeoutMs, expire);
    outer?.addEventListener("abort", abort, { once: true });
    const done = (): void => {
      timer?.cancel();
      outer?.removeEventListener("abort", abort);
    };
    Promise.try(fn, inner.signal).finally(done).then(resolve, reject);
  });
}

function checkTimeout(timeoutMs: number | undefined): void {
  if (timeoutMs !== undefined) checkSpan("timeoutMs", timeoutMs, { isAbove: true, mayBeInfinite: true });
}
