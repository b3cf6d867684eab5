import type { Clock, Timer } from "../../core/index.ts";

export interface Waiter {
  /** It has waited too long. It must not throw, because then the others would not be told. */
  late(): void;
}

/**
 * Waits of many for the same time. One timer serves them all, so that a wait which ends at once, as most do, costs next to
 * nothing.
 */
export class Patience {
  readonly #clock: Clock;
  readonly #ms: number;
  /** When the time of each is over. The one that began first comes first. */
  readonly #due = new Map<Waiter, number>();
  #timer: Timer | undefined;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  add(waiter: Waiter): void {
    this.#due.set(waiter, this.#clock.monotonic() + this.#ms);
    if (this.#timer === undefined) this.#arm(this.#ms);
  }

  delete(waiter: Waiter): void {
    this.#due.delete(waiter);
  }

  #arm(ms: number): void {
    this.#timer = this.#clock.setTimer(ms, () => {
      this.#timer = undefined;
      const now = this.#clock.monotonic();
      for (const [waiter, due] of this.#due) {
        if (due > now) {
          this.#arm(due - now);
          return;
        }
        this.#due.delete(waiter);
        waiter.late();
      }
    });
  }
}
