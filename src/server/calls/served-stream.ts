import { type Limit, onAbort } from "../../core/async/index.ts";

/** What ends all calls when the server must end. */
export interface Shutdown {
  /** Ends a wait with the reason of the shutdown. */
  readonly limit: Limit;
}

/**
 * One listener for all calls. Adding a listener to a signal takes time for each existing listener, and every open stream
 * would be one.
 */
export function createShutdown(over: AbortSignal): Shutdown {
  const waiting = new Set<() => void>();
  onAbort(over, () => {
    for (const end of [...waiting]) end();
  });
  return {
    limit(end) {
      const endNow = (): void => end(over.reason);
      if (over.aborted) endNow();
      waiting.add(endNow);
      return () => waiting.delete(endNow);
    },
  };
}

/** Notified when a stream ends. One of the functions is called, once. */
export interface StreamEnd {
  /** Returns the error that the reader gets. */
  failed(thrown: unknown): unknown;
  /** `isComplete`: false if the reader has left. */
  ended(isComplete: boolean): void;
}

/**
 * The messages of one call, for one reader. The call starts with the first read. It ends early when its reader leaves, or when
 * the server ends.
 */
export class ServedStream<T> implements AsyncIterableIterator<T> {
  readonly #start: () => AsyncIterable<T>;
  readonly #shutdown: Shutdown;
  readonly #end: StreamEnd;
  #messages: AsyncIterator<T> | undefined;
  #disarm = (): void => {};
  #isOver = false;
  /** Fails the read in progress. */
  #reject: (error: unknown) => void = () => {};

  constructor(start: () => AsyncIterable<T>, shutdown: Shutdown, end: StreamEnd) {
    this.#start = start;
    this.#shutdown = shutdown;
    this.#end = end;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      const fail = (thrown: unknown): void => this.#fail(thrown);
      try {
        this.#messages ??= this.#begin(fail);
        if (this.#messages === undefined) return;
        this.#messages.next().then((result) => {
          if (this.#isOver) return;
          if (result.done === true) this.#finish(true);
          resolve(result);
        }, fail);
      } catch (thrown) {
        fail(thrown);
      }
    });
  }

  return(): Promise<IteratorResult<T>> {
    if (!this.#isOver) this.#finish(false);
    return Promise.resolve({ done: true, value: undefined });
  }

  #begin(fail: (thrown: unknown) => void): AsyncIterator<T> | undefined {
    this.#disarm = this.#shutdown.limit(fail);
    if (!this.#isOver) return this.#start()[Symbol.asyncIterator]();
    this.#disarm();
    return undefined;
  }

  #fail(thrown: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#release();
    this.#reject(this.#end.failed(thrown));
  }

  #finish(isComplete: boolean): void {
    this.#isOver = true;
    this.#release();
    this.#end.ended(isComplete);
  }

  #release(): void {
    this.#disarm();
    // A reader that waits for something else ends when that has come.
    void this.#messages?.return?.()?.catch(() => {});
  }
}
