import type { Outcome } from "../../../../src/kernel/breakers/breaker.ts";
import type { OverrideKind } from "../../../../src/kernel/breakers/policy/holds.ts";
import { checkOptionalSpan } from "../spans.ts";
import type { BreakerClock } from "./clock.ts";
import type { BreakerPermit } from "./permit.ts";
import type { BreakerStatus } from "./status.ts";

/** Answers in the place of a call that was rejected, or that failed with `cause`. */
export type BreakerFallback<T> = (cause: unknown) => T | Promise<T>;

export interface BreakerCallOptions<T> {
  readonly fallback?: BreakerFallback<T>;
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

/** A breaker rejected a call. */
export class CircuitOpenError extends Error {
  override readonly name = "CircuitOpenError";
  readonly breaker: string;
  /** When it makes sense to try again; absent where nobody knows. */
  readonly retryAfterMs: number | undefined;
  /** The human's decision, if it is what rejects. */
  readonly override: OverrideKind | undefined;

  constructor(breaker: string, { retryAfterMs, override }: Pick<BreakerStatus, "retryAfterMs" | "override">) {
    const when = retryAfterMs === undefined ? "" : `; retry after ${Math.ceil(retryAfterMs)} ms`;
    super(`breaker ${breaker} is open${override === undefined ? "" : ` (${override})`}${when}`);
    this.breaker = breaker;
    this.retryAfterMs = retryAfterMs;
    this.override = override;
  }
}

/** What a call goes through. */
interface Gate {
  readonly name: string;
  acquire(): BreakerPermit | null | Promise<BreakerPermit | null>;
  status(): BreakerStatus;
}

/** Calls `fn` if the gate lets it through; see `ClientBreaker.call`. */
export async function callThrough<T>(
  gate: Gate,
  clock: BreakerClock,
  fn: (signal: AbortSignal) => T | Promise<T>,
  options: BreakerCallOptions<T> = {},
): Promise<T> {
  const { fallback, isFailure, signal, timeoutMs } = options;
  checkOptionalSpan("timeoutMs", timeoutMs, { isAbove: true, mayBeInfinite: true });
  signal?.throwIfAborted();
  const asked = gate.acquire();
  const permit = asked instanceof Promise ? await unless(signal, asked) : asked;
  if (permit === null) {
    const rejection = new CircuitOpenError(gate.name, gate.status());
    if (fallback === undefined) throw rejection;
    return fallback(rejection);
  }
  let timedOut = false;
  let answer: T;
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
      permit.settle(outcome);
    }
    if (outcome !== "FAILURE" || fallback === undefined) throw error;
    return fallback(error);
  }
  permit.settle("SUCCESS");
  return answer;
}

/** A permit that comes too late for its caller is given back. */
function unless(signal: AbortSignal | undefined, asked: Promise<BreakerPermit | null>): Promise<BreakerPermit | null> {
  if (signal === undefined) return asked;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    void asked.then((permit) => {
      signal.removeEventListener("abort", abort);
      if (signal.aborted) permit?.release();
      if (signal.aborted) reject(signal.reason);
      else resolve(permit);
    });
  });
}

const NEVER = new AbortController().signal;

/** A signal that is never aborted: one of its own, which costs more than all the rest, only where the call can look at it. */
function signalFor({ length }: { readonly length: number }): AbortSignal {
  return length === 0 ? NEVER : new AbortController().signal;
}

/** Runs `fn` until it settles, the signal is aborted or the time is over; `fn` sees both as its signal. */
function within<T>(
  clock: BreakerClock,
  fn: (signal: AbortSignal) => T | Promise<T>,
  outer: AbortSignal | undefined,
  timeoutMs: number | undefined,
  onTimeout: () => void,
): Promise<T> {
  const inner = new AbortController();
  // Thrown at once is a rejection, too.
  const run = new Promise<T>((resolve) => resolve(fn(inner.signal)));
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
    const timer = timeoutMs === undefined ? undefined : clock.setTimer(timeoutMs, expire, true);
    outer?.addEventListener("abort", abort, { once: true });
    const done = (): void => {
      timer?.cancel();
      outer?.removeEventListener("abort", abort);
    };
    run.finally(done).then(resolve, reject);
    if (outer?.aborted) abort();
  });
}
