import type { Clock } from "../clock.ts";
import { onAbort, type Signal } from "./signal.ts";

/** Ends a wait: calls `end` with an error when the time for that has come, which may be now. Returns what stops it. */
export type Limit = (end: (error: unknown) => void) => () => void;

/** Ends a wait after `ms`, with the error that `late` makes then; Infinity: never. `isAwaited`: as the clock has it. */
export function timeLimit(clock: Clock, ms: number, late: () => unknown, isAwaited?: boolean): Limit {
  if (ms === Number.POSITIVE_INFINITY) return () => () => {};
  return (end) => {
    const timer = clock.setTimer(ms, () => end(late()), isAwaited);
    return () => timer.cancel();
  };
}

/** Ends a wait when the signal is aborted, with its reason; undefined: never. */
export function signalLimit(signal: Signal | undefined): Limit {
  return (end) => onAbort(signal, () => end(signal?.reason));
}

/**
 * Settles as `work` does, unless one of the limits comes first: then it rejects with its error, and drops whatever comes of
 * `work`. Nothing of the limits is left when it is over.
 *
 * @param ended called in the very turn in which a limit ends the wait, with its error.
 */
export function race<T>(work: Promise<T>, limits: readonly Limit[], ended?: (error: unknown) => void): Promise<T> {
  return startWithin(() => work, limits, ended);
}

/**
 * As `race`, of work that starts, in any case, when the limits hold already. What `start` throws at once is a rejection, too.
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
      // It ended the wait before it had returned what stops it.
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
