import type { Clock } from "../clock.ts";
import { type MinimalSignal, onAbort } from "./signal.ts";

/** A condition that ends a wait. It calls `end` with an error, now or later. The returned function disarms it. */
export type Limit = (end: (error: unknown) => void) => () => void;

/**
 * Ends a wait after `ms`, with the error that `late` creates. Infinity: never. `isAwaited`: see `Clock.setTimer`; it also
 * holds for a wait that never ends.
 */
export function timeLimit(clock: Clock, ms: number, late: () => unknown, isAwaited?: boolean): Limit {
  if (ms === Number.POSITIVE_INFINITY && isAwaited !== true) return () => () => {};
  return (end) => {
    const timer = clock.setTimer(ms, () => end(late()), isAwaited);
    return () => timer.cancel();
  };
}

/** Ends a wait when the signal is aborted, with its reason, or with `error`. No signal: never. */
export function signalLimit(signal: MinimalSignal | undefined, error?: unknown): Limit {
  return (end) => onAbort(signal, () => end(error ?? signal?.reason));
}

/**
 * Settles as `work` does. If a limit ends the wait first, rejects with the limit's error and ignores the result of `work`.
 * Disarms all limits at the end.
 *
 * @param ended called with the error when a limit ends the wait, in the same turn of the event loop.
 */
export function race<T>(work: Promise<T>, limits: readonly Limit[], ended?: (error: unknown) => void): Promise<T> {
  return startWithin(() => work, limits, ended);
}

/**
 * Like `race`, but treats a limit as an ordinary end: if one ends the wait first, resolves to what `instead` returns for the
 * limit's error. Rejects only if `work` or `instead` fails.
 */
export async function raceOr<T, U>(
  work: Promise<T>,
  limits: readonly Limit[],
  instead: (error: unknown) => U | Promise<U>,
): Promise<T | U> {
  let isOver = false;
  try {
    return await race(work, limits, () => {
      isOver = true;
    });
  } catch (error) {
    if (!isOver) throw error;
    return instead(error);
  }
}

/**
 * Like `race`, but starts the work after the limits. The work starts even if a limit has ended the wait already. If `start`
 * throws, the returned promise rejects.
 */
export function startWithin<T>(
  start: () => T | Promise<T>,
  limits: readonly Limit[],
  ended: (error: unknown) => void = () => {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stops: (() => void)[] = [];
    let isOver = false;
    const finish = (): void => {
      isOver = true;
      for (const stop of stops) stop();
    };
    const end = (error: unknown): void => {
      if (isOver) return;
      finish();
      reject(error);
      ended(error);
    };
    const succeed = (value: T): void => {
      if (isOver) return;
      finish();
      resolve(value);
    };
    const fail = (error: unknown): void => {
      if (isOver) return;
      finish();
      reject(error);
    };
    for (const limit of limits) {
      const stop = limit(end);
      stops.push(stop);
      if (!isOver) continue;
      // This limit ended the wait before it returned its function, so that it must be disarmed here.
      stop();
      break;
    }
    try {
      Promise.resolve(start()).then(succeed, fail);
    } catch (error) {
      fail(error);
    }
  });
}
