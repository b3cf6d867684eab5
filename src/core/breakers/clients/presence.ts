import type { AnyWatcher, HubObserver } from "../../watch/hub.ts";

/** Tells when the last watch of a client has ended. Watches without a client's id are nobody's. */
export class Presence implements HubObserver {
  readonly #gone: (clientId: string) => void;
  readonly #streams = new Map<string, number>();

  constructor(gone: (clientId: string) => void) {
    this.#gone = gone;
  }

  opened({ options }: AnyWatcher): void {
    const { clientId = "" } = options.who ?? {};
    if (clientId !== "") this.#streams.set(clientId, (this.#streams.get(clientId) ?? 0) + 1);
  }

  closed({ options }: AnyWatcher): void {
    const { clientId = "" } = options.who ?? {};
    const left = (this.#streams.get(clientId) ?? 0) - 1;
    if (left > 0) this.#streams.set(clientId, left);
    else if (this.#streams.delete(clientId)) this.#gone(clientId);
  }
}
