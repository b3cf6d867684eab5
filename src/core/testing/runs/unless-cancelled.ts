import { raceOr, signalLimit } from "../../../kernel/async/race.ts";

/**
 * Waits for something that starts. Resolves to undefined if the signal is aborted first. Then `end` is called as soon as it
 * has started, and `late` gets a promise that resolves when that is done.
 */
export function unlessCancelled<T>(
  starting: Promise<T>,
  signal: AbortSignal,
  late: Promise<unknown>[],
  end: (started: T) => unknown,
): Promise<T | undefined> {
  return raceOr(starting, [signalLimit(signal)], () => {
    late.push(starting.then(end).catch(() => {}));
    return undefined;
  });
}
