import type { CallOptions } from "@connectrpc/connect";
import { backoffMs } from "../../../../src/kernel/async/retry.ts";
import { errorInfo } from "../errors.ts";
import type { BreakerClock } from "./clock.ts";

/**
 * Longest backoff before the first retry of a breaker's failed call to the service; it doubles with each failure.
 * @limit ms
 */
const MIN_BACKOFF_MS = 100;
/** Longest backoff before any retry of a breaker's failed call to the service. @limit ms */
const MAX_BACKOFF_MS = 10_000;
/** Time that a breaker's call to the service may take; then it has failed. @limit ms */
const CALL_TIMEOUT_MS = 5000;

/** All waits of one client's breakers: for answers of the service, and for the time of the next try. */
export class Waits {
  readonly #clock: BreakerClock;
  readonly #random: () => number;
  // These are not listeners of one signal, because Node.js warns of a leak from 11 on.
  readonly #calls = new Set<() => void>();
  #isStopped = false;
  readonly #waiting = new Set<() => void>();

  constructor(clock: BreakerClock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  get stopped(): boolean {
    return this.#isStopped;
  }

  /** Resolves after that time, or earlier by `wake` or `stop`. */
  sleep(ms: number): Promise<void> {
    if (this.stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#waiting.delete(end);
        resolve();
      };
      const timer = this.#clock.setTimer(ms, end);
      this.#waiting.add(end);
    });
  }

  /** Sleeps after this many consecutive failures: longer each time, and at least as long as the service asked for. */
  backOff(failures: number, error: unknown): Promise<void> {
    const waitMs = backoffMs(failures, { minMs: MIN_BACKOFF_MS, maxMs: MAX_BACKOFF_MS }, this.#random);
    return this.sleep((errorInfo(error)?.retryAfterMs ?? 0) + waitMs);
  }

  /** Calls the service. Rejects when that takes too long, and by `stop`. */
  async call<T>(run: (options: CallOptions) => Promise<T>): Promise<T> {
    const ended = new AbortController();
    const stop = (): void => ended.abort();
    const timer = this.#clock.setTimer(CALL_TIMEOUT_MS, stop, true);
    this.#calls.add(stop);
    if (this.stopped) stop();
    try {
      return await run({ signal: ended.signal });
    } finally {
      timer.cancel();
      this.#calls.delete(stop);
    }
  }

  /** The service is there again: what waits for its next try is tried now. */
  wake(): void {
    for (const end of [...this.#waiting]) end();
  }

  stop(): void {
    this.#isStopped = true;
    for (const stop of this.#calls) stop();
    this.wake();
  }
}
