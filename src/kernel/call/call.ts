import type { Outcome } from "../breakers/machine.ts";
import { type SpanRange, spanProblem } from "../span.ts";
import { type Admission, type CallPermit, type Gate, Rejection } from "./gate.ts";
import type { BreakerCall, BreakerCallOptions, BreakerFallback } from "./options.ts";
import { Overtime, run } from "./run.ts";

const TIMEOUT_RANGE: SpanRange = { isAbove: true, mayBeInfinite: true };

/**
 * Calls `fn` if the gate lets it through, and reports how it went.
 *
 * If the call is rejected, fails or takes too long, the fallback answers. Without a fallback, this rejects with the gate's
 * error, the error of `fn` or a TimeoutError. If the caller's signal is aborted, this rejects with its reason. Never throws.
 */
export function call<T>(gate: Gate, fn: BreakerCall<T>, options: BreakerCallOptions<T> = {}): Promise<T> {
  // No function here is async, because an await costs more than the breaker's decision. No function makes closures on a path
  // that does not need them, because even a function that makes none allocates for them when it begins.
  try {
    const { signal, timeoutMs } = options;
    if (timeoutMs !== undefined) {
      const problem = spanProblem(timeoutMs, TIMEOUT_RANGE);
      if (problem !== undefined) throw gate.invalid("timeoutMs", problem);
    }
    signal?.throwIfAborted();
    const asked = gate.acquire(signal);
    return asked instanceof Promise ? later(gate, asked, fn, options) : admitted(gate, asked, fn, options);
  } catch (error) {
    return Promise.reject(error);
  }
}

function later<T>(
  gate: Gate,
  asked: Promise<Admission>,
  fn: BreakerCall<T>,
  options: BreakerCallOptions<T>,
): Promise<T> {
  return asked.then((admission) => admitted(gate, admission, fn, options));
}

/** Continues when the gate has answered. */
function admitted<T>(gate: Gate, admission: Admission, fn: BreakerCall<T>, options: BreakerCallOptions<T>): Promise<T> {
  const { fallback = gate.fallback as BreakerFallback<T> | undefined, signal } = options;
  if (signal?.aborted) {
    if (!(admission instanceof Rejection)) admission.release();
    return Promise.reject(signal.reason);
  }
  if (!(admission instanceof Rejection)) return passed(gate, admission, fn, fallback, options);
  const { error } = admission;
  return fallback === undefined ? rejected(error) : settled(fallback, error);
}

const RESOLVED = Promise.resolve();

/**
 * Rejects one microtask later, when the caller waits for it. The platform notes each promise that is rejected while nobody
 * waits, which costs more.
 */
function rejected(error: Error): Promise<never> {
  return new Promise((_, reject) => {
    void RESOLVED.then(() => reject(error));
  });
}

/** Calls `fn` with a permit. */
function passed<T>(
  gate: Gate,
  permit: CallPermit,
  fn: BreakerCall<T>,
  fallback: BreakerFallback<T> | undefined,
  options: BreakerCallOptions<T>,
): Promise<T> {
  const succeed = (answer: T): T => {
    permit.settle("SUCCESS");
    return answer;
  };
  const fail = (thrown: unknown): T | Promise<T> => failed(thrown, permit, fallback, options);
  let answer: T | Promise<T>;
  try {
    answer = run(fn, options, gate);
  } catch (thrown) {
    return settled(fail, thrown);
  }
  return (Promise.resolve(answer) as Promise<T>).then(succeed, fail);
}

/** Calls `answer` now. Its error is the promise's. */
function settled<T>(answer: BreakerFallback<T>, cause: unknown): Promise<T> {
  return new Promise((resolve) => resolve(answer(cause)));
}

/** Reports a call that failed. Returns the fallback's answer, or throws the error of the call. */
function failed<T>(
  thrown: unknown,
  permit: CallPermit,
  fallback: BreakerFallback<T> | undefined,
  options: BreakerCallOptions<T>,
): T | Promise<T> {
  const isLate = thrown instanceof Overtime;
  const error = isLate ? thrown.error : thrown;
  // If `isFailure` itself throws, the call counts as failed.
  let outcome: Outcome = "FAILURE";
  try {
    if (!isLate) outcome = outcomeOf(error, options);
  } finally {
    permit.settle(outcome);
  }
  if (outcome !== "FAILURE" || fallback === undefined) throw error;
  return fallback(error);
}

/** The outcome of a call that threw this error. */
function outcomeOf<T>(error: unknown, { signal, isFailure, notFailureAs = "IGNORED" }: BreakerCallOptions<T>): Outcome {
  if (signal?.aborted) return "IGNORED";
  return isFailure?.(error) === false ? notFailureAs : "FAILURE";
}
