import type { AnyWatcher, HubObserver } from "../../watch/hub.ts";

/** Calls back when the last watch of a client has ended. It ignores watches without a client id. */
export class Presence implements HubObserver {
  readonly #onGone: (clientId: string) => void;
  /** Open watches of each client. */
  readonly #watches = new Map<string, number>();

  constructor(onGone: (clientId: string) => void) {
    this.#onGone = onGone;
  }

  opened({ options }: AnyWatcher): void {
    const { clientId = "" } = options.who ?? {};
    if (clientId !== "") this.#watches.set(clientId, (this.#watches.get(clientId) ?? 0) + 1);
  }

  closed({ options }: AnyWatcher): void {
    const { clientId = "" } = options.who ?? {};
    const left = (this.#watches.get(clientId) ?? 0) - 1;
    if (left > 0) this.#watches.set(clientId, left);
    else if (this.#watches.delete(clientId)) this.#onGone(clientId);
  }
}
