import { signalLimit, startWithin, timeLimit } from "../async/race.ts";
import { createController } from "../async/signal.ts";
import type { Gate } from "./gate.ts";
import type { BreakerCall, BreakerCallOptions } from "./options.ts";
import { idleSignalFor, timeoutError } from "./signal.ts";

/** A call took longer than its timeout. */
export class Overtime {
  readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }
}

type Limits = Pick<BreakerCallOptions<never>, "signal" | "timeoutMs">;

/**
 * Runs `fn` until it settles, the caller's signal is aborted or the timeout passes. Rejects with the error of `fn`, with the
 * signal's reason or with Overtime.
 */
export function run<T>(fn: BreakerCall<T>, limits: Limits, gate: Gate): T | Promise<T> {
  const isFree = limits.signal === undefined && limits.timeoutMs === undefined;
  return isFree ? fn(idleSignalFor(fn)) : runWithin(fn, limits, gate);
}

function runWithin<T>(fn: BreakerCall<T>, { signal, timeoutMs }: Limits, { clock, keepsAlive }: Gate): Promise<T> {
  const inner = createController();
  const limits = [signalLimit(signal)];
  if (timeoutMs !== undefined) limits.push(timeLimit(clock, timeoutMs, () => overtime(timeoutMs), keepsAlive));
  return startWithin(
    () => fn(inner.signal),
    limits,
    (error) => inner.abort(error instanceof Overtime ? error.error : error),
  );
}

const overtime = (timeoutMs: number): Overtime =>
  new Overtime(timeoutError(`the call took longer than ${timeoutMs} ms`));
