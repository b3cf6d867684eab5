import { type Limit, race, signalLimit, timeLimit } from "../../../../kernel/async/race.ts";
import type { MinimalSignal } from "../../../../kernel/async/signal.ts";
import type { Clock } from "../../../../kernel/clock.ts";
import { settled } from "../../../async/serial.ts";
import { HeliosError } from "../../../errors/error.ts";
import type { Answer } from "../call.ts";

/** How long one caller waits. */
export interface Patience {
  /** Milliseconds. Infinity: until the run ends. */
  readonly timeoutMs: number;
  readonly signal: MinimalSignal | undefined;
  /** Creates the error for a caller that has waited for `timeoutMs`. */
  readonly late: () => HeliosError;
}

/**
 * One call that several callers may wait for. If the last of them stops waiting before the module gets the call, the call
 * is cancelled. After that it continues without callers.
 */
export class KeyedRun {
  readonly digest: string;
  readonly #answer: Promise<Answer>;
  readonly #clock: Clock;
  readonly #cancel = new AbortController();
  #delivered = false;
  #waiting = 0;

  constructor(digest: string, clock: Clock, work: (run: KeyedRun) => Promise<Answer>) {
    this.digest = digest;
    this.#clock = clock;
    this.#answer = work(this);
    // Each waiting caller gets the failure. There may be none left.
    this.#answer.catch(() => {});
  }

  /** Aborted when the last caller stops waiting before the module gets the call. */
  get signal(): AbortSignal {
    return this.#cancel.signal;
  }

  /** Whether the module has received the call. */
  get delivered(): boolean {
    return this.#delivered;
  }

  markDelivered(): void {
    this.#delivered = true;
  }

  /**
   * Called before the module gets the call, and before a pure method is repeated because its generation ended. Until the
   * next `markDelivered`, the call can be cancelled.
   */
  prepare(): void {
    this.#delivered = false;
    this.#cancelIfLeft();
  }

  /** Whether the call was cancelled because its last caller stopped waiting. */
  get abandoned(): boolean {
    return this.#cancel.signal.aborted;
  }

  /** Resolves when the run has ended, even if it failed. Rejects if the caller's time or signal ends first. */
  over(patience: Patience): Promise<void> {
    return race(settled(this.#answer), this.#limits(patience));
  }

  /** Settles as the run does. Rejects earlier if the caller's time or signal ends first. */
  wait(patience: Patience): Promise<Answer> {
    this.#waiting += 1;
    let isWaiting = true;
    const leave = (): void => {
      if (isWaiting) this.#waiting -= 1;
      isWaiting = false;
    };
    const gaveUp = (): void => {
      leave();
      this.#cancelIfLeft();
    };
    return race(this.#answer, this.#limits(patience), gaveUp).finally(leave);
  }

  #cancelIfLeft(): void {
    if (this.#waiting > 0 || this.#delivered) return;
    this.#cancel.abort(HeliosError.of("CALL_CANCELLED", { problem: "no caller waits for the call any more" }));
  }

  #limits({ timeoutMs, signal, late }: Patience): readonly Limit[] {
    return [signalLimit(signal), timeLimit(this.#clock, timeoutMs, late)];
  }
}
