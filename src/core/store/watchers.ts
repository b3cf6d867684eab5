import type { Change, Subscription } from "./store.ts";

/** The listeners of a store's change feed. */
export class Watchers {
  readonly #listeners = new Set<(change: Change) => void>();

  add(listener: (change: Change) => void): Subscription {
    // A wrapper of its own, so that one function can listen twice.
    const own = (change: Change): void => listener(change);
    this.#listeners.add(own);
    return { close: () => this.#listeners.delete(own) };
  }

  tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }

  clear(): void {
    this.#listeners.clear();
  }
}
