import type { CallContext } from "../../api.ts";

/** The context of a call in progress. The signal is created only if it is read, because most methods never read it. */
export class OpenCall implements CallContext {
  #controller: AbortController | undefined;
  #cancelled: DOMException | undefined;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cancelled !== undefined) this.#controller.abort(this.#cancelled);
    }
    return this.#controller.signal;
  }

  cancel(reason: string): void {
    this.#cancelled = new DOMException(reason, "AbortError");
    this.#controller?.abort(this.#cancelled);
  }
}
