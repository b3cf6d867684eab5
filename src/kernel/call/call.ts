import type { Outcome } from "../breakers/machine.ts";
import { type SpanRange, spanProblem } from "../span.ts";
import { type Gate, Rejection } from "./gate.ts";
import type { BreakerCall, BreakerCallOptions, BreakerFallback } from "./options.ts";
import { Overtime, run } from "./run.ts";

const TIMEOUT_RANGE: SpanRange = { isAbove: true, mayBeInfinite: true };

/**
 * Calls `fn` if the gate lets it through, and reports how it went.
 *
 * If the call is rejected, fails or takes too long, the fallback answers. Without a fallback, this rejects with the gate's
 * error, the error of `fn` or a TimeoutError. If the caller's signal is aborted, this rejects with its reason.
 */
export async function call<T>(gate: Gate, fn: BreakerCall<T>, options: BreakerCallOptions<T> = {}): Promise<T> {
  const { fallback = gate.fallback as BreakerFallback<T> | undefined, signal, timeoutMs } = options;
  if (timeoutMs !== undefined) {
    const problem = spanProblem(timeoutMs, TIMEOUT_RANGE);
    if (problem !== undefined) throw gate.invalid("timeoutMs", problem);
  }
  signal?.throwIfAborted();
  const asked = gate.acquire(signal);
  const admission = asked instanceof Promise ? await asked : asked;
  if (signal?.aborted) {
    if (!(admission instanceof Rejection)) admission.release();
    throw signal.reason;
  }
  if (admission instanceof Rejection) {
    if (fallback === undefined) throw admission.error;
    return fallback(admission.error);
  }
  let answer: T;
  try {
    answer = await run(fn, options, gate);
  } catch (thrown) {
    const isLate = thrown instanceof Overtime;
    const error = isLate ? thrown.error : thrown;
    // If `isFailure` itself throws, the call counts as failed.
    let outcome: Outcome = "FAILURE";
    try {
      if (!isLate) outcome = outcomeOf(error, options);
    } finally {
      admission.settle(outcome);
    }
    if (outcome !== "FAILURE" || fallback === undefined) throw error;
    return fallback(error);
  }
  admission.settle("SUCCESS");
  return answer;
}

/** The outcome of a call that threw this error. */
function outcomeOf<T>(error: unknown, { signal, isFailure, notFailureAs = "IGNORED" }: BreakerCallOptions<T>): Outcome {
  if (signal?.aborted) return "IGNORED";
  return isFailure?.(error) === false ? notFailureAs : "FAILURE";
}
