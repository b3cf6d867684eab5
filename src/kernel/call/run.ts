import type { Clock } from "../clock.ts";
import type { BreakerCall, BreakerCallOptions } from "./options.ts";
import { createController, idleSignalFor, timeoutError } from "./signal.ts";

/** A call took longer than it may. */
export class Overtime {
  readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }
}

type Limits = Pick<BreakerCallOptions<never>, "signal" | "timeoutMs">;

/**
 * Runs `fn` until it settles, its caller leaves or its time is over. Rejects with the error of `fn`, with the reason of the
 * caller's signal or with Overtime.
 */
export function run<T>(fn: BreakerCall<T>, limits: Limits, clock: Clock): T | Promise<T> {
  const isFree = limits.signal === undefined && limits.timeoutMs === undefined;
  return isFree ? fn(idleSignalFor(fn)) : runWithin(fn, limits, clock);
}

function runWithin<T>(fn: BreakerCall<T>, { signal, timeoutMs }: Limits, clock: Clock): Promise<T> {
  const inner = createController();
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      stopWaiting();
      reject(signal?.reason);
      inner.abort(signal?.reason);
    };
    const expire = (): void => {
      stopWaiting();
      const error = timeoutError(`the call took longer than ${timeoutMs} ms`);
      reject(new Overtime(error));
      inner.abort(error);
    };
    const timer = timeoutMs === undefined ? undefined : clock.setTimer(timeoutMs, expire, true);
    signal?.addEventListener("abort", leave, { once: true });
    const stopWaiting = (): void => {
      timer?.cancel();
      signal?.removeEventListener("abort", leave);
    };
    // What `fn` throws at once is a rejection, too.
    const running = new Promise<T>((settle) => settle(fn(inner.signal)));
    running.finally(stopWaiting).then(resolve, reject);
  });
}
