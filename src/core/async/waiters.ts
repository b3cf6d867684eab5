/** Promises that are settled together, by one event. It may happen again: later waits are for the next one. */
export class Waiters {
  #waiting: PromiseWithResolvers<void>[] = [];

  /** Resolves at the next `wake`, rejects at the next `fail`. */
  wait(): Promise<void> {
    const waiter = Promise.withResolvers<void>();
    this.#waiting.push(waiter);
    return waiter.promise;
  }

  wake(): void {
    if (this.#waiting.length === 0) return;
    for (const { resolve } of this.#take()) resolve();
  }

  fail(error: unknown): void {
    for (const { reject } of this.#take()) reject(error);
  }

  #take(): PromiseWithResolvers<void>[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }
}
