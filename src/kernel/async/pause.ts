import type { Clock } from "../clock.ts";
import { onAbort, type Signal } from "./signal.ts";

/** Resolves after `ms`. Rejects with the signal's reason if it is aborted first. `isAwaited`: see `Clock.setTimer`. */
export function pause(clock: Clock, ms: number, signal?: Signal, isAwaited?: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = (): void => {
      stopListening();
      resolve();
    };
    const timer = clock.setTimer(ms, over, isAwaited);
    const stopListening = onAbort(signal, () => {
      timer.cancel();
      reject(signal?.reason);
    });
  });
}
