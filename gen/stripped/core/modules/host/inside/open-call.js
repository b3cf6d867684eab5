                                                

/** A call that is being answered, as its method sees it. Most methods never look at the signal: it is made when they do. */
export class OpenCall                        {
  #controller                             ;
  #cancelled                          ;

  get signal()              {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cancelled !== undefined) this.#controller.abort(this.#cancelled);
    }
    return this.#controller.signal;
  }

  cancel(reason        )       {
    this.#cancelled = new DOMException(reason, "AbortError");
    this.#controller?.abort(this.#cancelled);
  }
}
