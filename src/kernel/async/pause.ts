import type { Clock } from "../clock.ts";
import { onAbort, type Signal } from "./signal.ts";

/** Resolves after `ms`; rejects with the reason of the signal if that is aborted before. `isAwaited`: as the clock has it. */
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
