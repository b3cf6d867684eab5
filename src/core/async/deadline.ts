import { race, signalLimit, timeLimit } from "../../kernel/async/race.ts";
import type { Clock } from "../../kernel/clock.ts";

/**
 * Settles as `promise` does, or rejects with `late()` after `ms` milliseconds. A later result of the promise is ignored.
 */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  return race(promise, [timeLimit(clock, ms, late)]);
}

/** Settles as `promise` does, or rejects with the signal's reason as soon as the signal, if there is one, is aborted. */
export function unlessAborted<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  return race(promise, [signalLimit(signal)]);
}

/** Formats a duration for people, in seconds. Rounds up to whole milliseconds, because a remaining time has many digits. */
export function seconds(ms: number): string {
  return `${Math.ceil(ms) / 1000} s`;
}
