import { END, type Limit, onAbort, Polled, polled, type Waker } from "../../core/async/index.ts";

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
      if (over.aborted) {
        endNow();
        return () => {};
      }
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
export class ServedStream<T extends object> extends Polled<T> {
  readonly #start: () => AsyncIterable<T>;
  readonly #shutdown: Shutdown;
  readonly #end: StreamEnd;
  #messages: Polled<T> | undefined;
  #disarm = (): void => {};
  #isOver = false;
  /** What the next read throws. */
  #failure: { readonly error: unknown } | undefined;
  #waker: Waker | undefined;

  constructor(start: () => AsyncIterable<T>, shutdown: Shutdown, end: StreamEnd) {
    super();
    this.#start = start;
    this.#shutdown = shutdown;
    this.#end = end;
  }

  override poll(waker: Waker): T | typeof END | undefined {
    try {
      if (this.#messages === undefined) this.#begin();
      if (!this.#isOver) {
        this.#waker = waker;
        const message = this.#messages?.poll(waker);
        if (message === END) this.#finish(true);
        return message;
      }
    } catch (thrown) {
      this.#fail(thrown);
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
    return END;
  }

  override close(): void {
    if (this.#isOver) return;
    this.#finish(false);
    this.#waker?.wake();
  }

  #begin(): void {
    if (this.#isOver) return;
    this.#disarm = this.#shutdown.limit((reason) => {
      this.#fail(reason);
      this.#waker?.wake();
    });
    if (!this.#isOver) this.#messages = polled(this.#start());
  }

  #fail(thrown: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#release();
    this.#failure = { error: this.#end.failed(thrown) };
  }

  #finish(isComplete: boolean): void {
    this.#isOver = true;
    this.#release();
    this.#end.ended(isComplete);
  }

  #release(): void {
    this.#disarm();
    this.#messages?.close();
  }
}
