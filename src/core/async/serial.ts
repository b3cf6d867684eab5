/** Runs tasks one at a time, in the order in which they were submitted. A failed task does not stop the later ones. */
export class Serial {
  /** Resolves when the last task that was submitted so far has ended. */
  #last: Promise<void> = Promise.resolve();

  /** Runs `work` after all earlier tasks, in a later microtask at the earliest. Settles as `work` does. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const running = this.#last.then(work);
    this.#last = settled(running);
    return running;
  }

  /** Resolves when all tasks that were submitted until now have ended. */
  idle(): Promise<void> {
    return this.#last;
  }
}

/** Runs the tasks of each key one at a time. A task that has nothing to wait for starts at once. */
export class KeyedSerial {
  readonly #last = new Map<string, Promise<void>>();
  /** The last task about all keys, while it runs or waits. */
  #lastOfAll: Promise<void> | undefined;

  /** Runs `work` after the earlier tasks of this key and the earlier tasks about all keys. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? this.#lastOfAll;
    const running = before === undefined ? work() : before.then(work);
    const over = settled(running);
    this.#last.set(key, over);
    void over.then(() => {
      if (this.#last.get(key) === over) this.#last.delete(key);
    });
    return running;
  }

  /** Runs `work` after all earlier tasks. Later tasks of any key wait for it. */
  runAlone<T>(work: () => Promise<T>): Promise<T> {
    const before = Promise.all([this.#lastOfAll, ...this.#last.values()]);
    const running = before.then(work);
    const over = settled(running);
    this.#lastOfAll = over;
    void over.then(() => {
      if (this.#lastOfAll === over) this.#lastOfAll = undefined;
    });
    // A later task waits for this one, and thereby for all tasks that this one waits for.
    this.#last.clear();
    return running;
  }
}

/** Resolves when the promise is settled, even if it was rejected. */
export function settled(promise: Promise<unknown>): Promise<void> {
  return promise.then(
    () => {},
    () => {},
  );
}
