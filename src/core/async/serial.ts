/** Runs pieces of work one after the other, in the order in which they were asked for. One that fails holds up no other. */
export class Serial {
  /** Resolves when the last piece so far is over. */
  #last: Promise<void> = Promise.resolve();

  /** Runs `work` when all earlier pieces are over, in a later microtask at the earliest. Settles as `work` does. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const running = this.#last.then(work);
    this.#last = settled(running);
    return running;
  }

  /** Resolves when all pieces that were asked for by now are over. */
  idle(): Promise<void> {
    return this.#last;
  }
}

/** The same for each key by itself; a piece that has nothing to wait for begins at once. */
export class KeyedSerial {
  readonly #last = new Map<string, Promise<void>>();
  /** The last piece that was about all keys, while it is under way. */
  #lastOfAll: Promise<void> | undefined;

  /** Runs `work` when the earlier pieces of this key, and those of all keys, are over. */
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

  /** Runs `work` when all earlier pieces are over; later ones, of whatever key, wait for it. */
  runAlone<T>(work: () => Promise<T>): Promise<T> {
    const before = Promise.all([this.#lastOfAll, ...this.#last.values()]);
    const running = before.then(work);
    const over = settled(running);
    this.#lastOfAll = over;
    void over.then(() => {
      if (this.#lastOfAll === over) this.#lastOfAll = undefined;
    });
    // A later piece waits for this one, and so for those that this one waits for.
    this.#last.clear();
    return running;
  }
}

/** Resolves when the promise is settled, whether or not it was rejected. */
export function settled(promise: Promise<unknown>): Promise<void> {
  return promise.then(
    () => {},
    () => {},
  );
}
