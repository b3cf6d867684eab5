import type { Refusal, Subscription, Writable } from "./store.ts";

/** Knows whether the last write of a store failed, and notifies observers. */
export class Writability implements Writable {
  readonly #listeners = new Set<(refusal: Refusal | undefined) => void>();
  #refusal: Refusal | undefined;

  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  observe(listener: (refusal: Refusal | undefined) => void): Subscription {
    // A function of its own for each call, because the same listener may observe twice.
    const own = (refusal: Refusal | undefined): void => listener(refusal);
    this.#listeners.add(own);
    return { close: () => void this.#listeners.delete(own) };
  }

  /** Notes that a write failed at that wall time in ms. */
  failed(problem: string, time: number): void {
    const isFirst = this.#refusal === undefined;
    this.#refusal = { since: this.#refusal?.since ?? time, problem };
    if (isFirst) this.#notify();
  }

  /** Notes that a write succeeded. */
  succeeded(): void {
    if (this.#refusal === undefined) return;
    this.#refusal = undefined;
    this.#notify();
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener(this.#refusal);
  }
}
