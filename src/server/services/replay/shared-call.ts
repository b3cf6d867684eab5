import type { HandlerContext } from "@connectrpc/connect";
import { race, signalLimit } from "../../../core/async/index.ts";

/** A task that several callers wait for. It goes on to its end even if all callers leave. */
export class SharedCall<T> {
  readonly digest: string;
  readonly #answer: Promise<T>;

  /**
   * `work` gets the context of the first caller, but with a signal that is never aborted and without a deadline, because
   * these belong to each caller.
   */
  constructor(digest: string, context: HandlerContext, work: (context: HandlerContext) => Promise<T>) {
    this.digest = digest;
    this.#answer = work({ ...context, signal: new AbortController().signal, timeoutMs: () => undefined });
    // Each waiting caller gets the failure. There may be none left.
    this.#answer.catch(() => {});
  }

  /** Resolves to the answer, or rejects with the reason of `signal` if that is aborted first. */
  wait(signal: AbortSignal): Promise<T> {
    return race(this.#answer, [signalLimit(signal)]);
  }
}
