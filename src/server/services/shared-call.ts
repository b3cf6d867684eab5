import type { HandlerContext } from "@connectrpc/connect";

/**
 * One piece of work that several callers wait for. It is cancelled when the last of them has gone, whatever becomes of
 * the one who came first.
 */
export class SharedCall<T> {
  readonly digest: string;
  readonly #answer: Promise<T>;
  readonly #cancel = new AbortController();
  #waiting = 0;

  /** `work` gets the context of the first caller, but the signal of all, and no deadline: that is each caller's own. */
  constructor(digest: string, context: HandlerContext, work: (context: HandlerContext) => Promise<T>) {
    this.digest = digest;
    this.#answer = work({ ...context, signal: this.#cancel.signal, timeoutMs: () => undefined });
    // Each caller gets the failure; there may be none left.
    this.#answer.catch(() => {});
  }

  /** Whether everybody has gone: the answer is then nobody's. */
  get abandoned(): boolean {
    return this.#cancel.signal.aborted;
  }

  /** Resolves when the work is over, whatever came of it. */
  async over(): Promise<void> {
    await this.#answer.catch(() => {});
  }

  /** The answer, or the reason of `signal` if that comes first and others wait on. */
  wait(signal: AbortSignal): Promise<T> {
    this.#waiting += 1;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting -= 1;
        // The last one is told how the work ends.
        if (this.#waiting === 0) this.#cancel.abort(signal.reason);
        else reject(signal.reason);
      };
      if (signal.aborted) leave();
      else signal.addEventListener("abort", leave, { once: true });
      this.#answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
    });
  }
}
