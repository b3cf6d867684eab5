import type { Outcome, Permit } from "../../kernel/breakers/breaker.ts";
import type { Clock } from "../../kernel/clock.ts";
import { checkSpan } from "../errors/check-span.ts";
import { HeliosError, isReason } from "../errors/error.ts";
import type { BreakerHandle, Breakers, Fallback, HandleOptions } from "./types.ts";

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
