/** Promises that one event settles together. The event may happen again: a later `wait` waits for the next one. */
export class Waiters {
  #waiting: PromiseWithResolvers<void>[] = [];

  /** Returns a promise that the next `wake` resolves, or the next `fail` rejects. */
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
