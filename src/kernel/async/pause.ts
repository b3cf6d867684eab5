import type { Clock } from "../clock.ts";
import { race, signalLimit } from "./race.ts";
import type { Signal } from "./signal.ts";

/** Resolves after `ms`; rejects with the reason of the signal if that is aborted before. `isAwaited`: as the clock has it. */
export function pause(clock: Clock, ms: number, signal?: Signal, isAwaited?: boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.setTimer(ms, resolve, isAwaited);
  return race(promise, [signalLimit(signal)], () => timer.cancel());
}
