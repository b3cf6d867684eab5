import { race, signalLimit, timeLimit } from "../../kernel/async/race.ts";
import type { Clock } from "../../kernel/clock.ts";

export { joined } from "../../kernel/async/signal.ts";

/** `promise`, but a rejection with `late()` once `ms` have passed. What comes of the promise after that is dropped. */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  return race(promise, [timeLimit(clock, ms, late)]);
}

/** `promise`, but a rejection with the signal's reason once it is aborted. */
export function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return race(promise, [signalLimit(signal)]);
}

/** So long for people, in whole ms: what is left of a deadline has many digits. */
export function seconds(ms: number): string {
  return `${Math.ceil(ms) / 1000} s`;
}
