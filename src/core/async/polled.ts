/** Is told that there may be something to read. */
export interface Waker {
  /** Must not throw. */
  wake(): void;
}

/** What a stream returns instead of an item when nothing follows. */
export const END: unique symbol = Symbol("end");

/**
 * A stream for one reader. Thousands of streams get the same item at the same time, so it is read without a promise for each of
 * them. It is also an async iterator, for readers that want one.
 */
export abstract class Polled<T extends object> implements AsyncIterableIterator<T> {
  /**
   * Returns the next item, END after the last one, or undefined if there is none yet. Then `waker` is told, at least once, when
   * there may be one, unless `poll` is called again before. Throws the error that has ended the stream.
   */
  abstract poll(waker: Waker): T | typeof END | undefined;

  /** The reader leaves. A waker that was given is told. */
  abstract close(): void;

  async next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const news = Promise.withResolvers<void>();
      const item = this.poll({ wake: news.resolve });
      if (item === END) return { done: true, value: undefined };
      if (item !== undefined) return { done: false, value: item };
      await news.promise;
    }
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** Returns the items as a stream. Its producer is asked for an item when its reader is, not before. */
export function polled<T extends object>(items: AsyncIterable<T>): Polled<T> {
  return items instanceof Polled ? items : new Iterated(items[Symbol.asyncIterator]());
}

type Arrived<T> = { readonly item: T | typeof END } | { readonly error: unknown };

class Iterated<T extends object> extends Polled<T> {
  readonly #items: AsyncIterator<T>;
  /** What has come and was not read. */
  #arrived: Arrived<T> | undefined;
  #isOver = false;
  #isAsked = false;
  #waker: Waker | undefined;

  constructor(items: AsyncIterator<T>) {
    super();
    this.#items = items;
  }

  override poll(waker: Waker): T | typeof END | undefined {
    if (this.#isOver) return END;
    this.#waker = waker;
    const arrived = this.#arrived;
    if (arrived === undefined) {
      if (!this.#isAsked) this.#ask();
      return undefined;
    }
    this.#arrived = undefined;
    if ("item" in arrived && arrived.item !== END) return arrived.item;
    this.#isOver = true;
    if ("error" in arrived) throw arrived.error;
    return END;
  }

  override close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // A producer that waits for something else ends when that has come.
    void this.#items.return?.()?.catch(() => {});
    this.#waker?.wake();
  }

  #ask(): void {
    this.#isAsked = true;
    this.#items.next().then(
      ({ done, value }) => this.#take({ item: done === true ? END : value }),
      (error: unknown) => this.#take({ error }),
    );
  }

  #take(arrived: Arrived<T>): void {
    this.#isAsked = false;
    this.#arrived = arrived;
    this.#waker?.wake();
  }
}
