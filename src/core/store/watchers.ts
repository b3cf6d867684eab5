import type { Change, Subscription } from "./store.ts";

/** The listeners of a store's change feed: each is told every change, one after the other. */
export class Watchers {
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #untold: Change[] = [];
  #telling = false;

  add(listener: (change: Change) => void): Subscription {
    // A wrapper of its own, so that one function can listen twice.
    const own = (change: Change): void => listener(change);
    this.#listeners.add(own);
    return { close: () => this.#listeners.delete(own) };
  }

  /** A listener may write: what that changes is told after all have been told of the change at hand. */
  tell(change: Change): void {
    this.#untold.push(change);
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) {
        for (const listener of this.#listeners) listener(next);
      }
    } finally {
      this.#telling = false;
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
