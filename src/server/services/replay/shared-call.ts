import type { HandlerContext } from "@connectrpc/connect";
import { race, signalLimit } from "../../../core/index.ts";

/** One piece of work that several callers wait for. It goes on to its end, whoever leaves. */
export class SharedCall<T> {
  readonly digest: string;
  readonly #answer: Promise<T>;

  /** `work` gets the context of the first caller, but a signal that is never aborted, and no deadline: those are each caller's own. */
  constructor(digest: string, context: HandlerContext, work: (context: HandlerContext) => Promise<T>) {
    this.digest = digest;
    this.#answer = work({ ...context, signal: new AbortController().signal, timeoutMs: () => undefined });
    // Each caller gets the failure; there may be none left.
    this.#answer.catch(() => {});
  }

  /** The answer, or the reason of `signal` if that comes first. */
  wait(signal: AbortSignal): Promise<T> {
    return race(this.#answer, [signalLimit(signal)]);
  }
}
