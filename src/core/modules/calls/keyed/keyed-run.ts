import { type Limit, race, signalLimit, timeLimit } from "../../../../kernel/async/race.ts";
import type { Clock } from "../../../../kernel/clock.ts";
import { settled } from "../../../async/serial.ts";
import { HeliosError } from "../../../errors/error.ts";
import type { Answer } from "../call.ts";

/** How long one caller waits. */
export interface Patience {
  /** Ms; Infinity: until it ends. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** What a caller is told whose time is over. */
  readonly late: () => HeliosError;
}

/**
 * One call that several callers wait for. Until it is given to the module it is given up with the last of them; from then
 * on it goes on, whoever waits.
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
    // Each caller gets the failure; there may be none left.
    this.#answer.catch(() => {});
  }

  /** Aborted when nobody waits for what the module has not been given yet. */
  get signal(): AbortSignal {
    return this.#cancel.signal;
  }

  /** Whether the module has been given it. */
  get delivered(): boolean {
    return this.#delivered;
  }

  markDelivered(): void {
    this.#delivered = true;
  }

  /**
   * It is about to be given to the module, whatever came of it so far: that it was given to before had no effects, and
   * ended under it.
   */
  prepare(): void {
    this.#delivered = false;
    this.#cancelIfLeft();
  }

  /** Whether everybody has gone before the module was given it. */
  get abandoned(): boolean {
    return this.#cancel.signal.aborted;
  }

  /** Resolves when it is over, whatever came of it. Rejects where the caller's patience ends first. */
  over(patience: Patience): Promise<void> {
    return race(settled(this.#answer), this.#limits(patience));
  }

  /** What came of it, unless the caller's patience ends first. */
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
    this.#cancel.abort(HeliosError.of("CALL_CANCELLED", { problem: "nobody waits for it any more" }));
  }

  #limits({ timeoutMs, signal, late }: Patience): readonly Limit[] {
    return [signalLimit(signal), timeLimit(this.#clock, timeoutMs, late)];
  }
}
