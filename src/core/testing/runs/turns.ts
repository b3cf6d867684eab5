import { onAbort } from "../../../kernel/async/signal.ts";
import { HeliosError } from "../../errors/error.ts";

/**
 * Test runs in progress at once, so that tests do not slow down the modules that serve; further ones wait for their
 * turn. @limit runs
 */
export const RUNS_AT_ONCE = 4;
/**
 * Gates of swaps in progress at once, in addition to the other test runs. Gates do not wait for those; further gates
 * wait for each other. @limit gates
 */
export const GATES_AT_ONCE = 16;
/** Test runs that wait for their turn; further ones are refused with `TEST_RUNS_OVERLOADED`. @limit runs */
export const MOST_WAITING = 64;

/** Returns the place. A second call does nothing. */
export type Leave = () => void;

/** A limited number of places, given out in the order of requests. */
export interface Turns {
  /**
   * Resolves when there is a place. Rejects with the signal's reason if that is aborted first. Throws TEST_RUNS_OVERLOADED if
   * too many requests wait. An urgent request goes before the others, and is never refused.
   */
  take(signal: AbortSignal, urgent: boolean): Promise<Leave>;
}

interface Waiting {
  readonly urgent: boolean;
  enter(): void;
}

export function createTurns(atOnce = RUNS_AT_ONCE, mostWaiting = MOST_WAITING): Turns {
  const waiting: Waiting[] = [];
  let taken = 0;
  const place = (): Leave => {
    let left = false;
    taken += 1;
    return () => {
      if (left) return;
      left = true;
      taken -= 1;
      waiting.shift()?.enter();
    };
  };
  return {
    take(signal, urgent) {
      if (signal.aborted) return Promise.reject(signal.reason);
      if (taken < atOnce) return Promise.resolve(place());
      if (!urgent && waiting.length >= mostWaiting) {
        throw HeliosError.of("TEST_RUNS_OVERLOADED", { waiting: String(waiting.length) });
      }
      return new Promise((resolve, reject) => {
        const giveUp = (): void => {
          waiting.splice(waiting.indexOf(one), 1);
          reject(signal.reason);
        };
        const one: Waiting = {
          urgent,
          enter() {
            stopListening();
            resolve(place());
          },
        };
        const behind = urgent ? waiting.findIndex((other) => !other.urgent) : -1;
        waiting.splice(behind === -1 ? waiting.length : behind, 0, one);
        const stopListening = onAbort(signal, giveUp);
      });
    },
  };
}
