import type { Change, Subscription } from "./store.ts";

type Listener = (change: Change) => void;

/** The listeners of a store. Each is told every change once and in order, whatever listeners do from within a call. */
export class Watchers {
  readonly #all = new Set<{ told: number; readonly listener: Listener }>();
  readonly #untold: Change[] = [];
  #telling = false;

  /** Tells every listener, or queues the change when called from within one: then the outer call tells it. */
  tell(change: Change): void {
    this.#untold.push(change);
    if (this.#telling) return;
    this.#telling = true;
    for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) {
      for (const subscriber of this.#all) {
        if (next.revision <= subscriber.told) continue;
        subscriber.told = next.revision;
        call(subscriber.listener, next);
      }
    }
    this.#telling = false;
  }

  /** `replay` gives the changes after a revision that exist already; it is asked until there are none. */
  add(afterRevision: number, listener: Listener, replay: (afterRevision: number) => readonly Change[]): Subscription {
    const subscriber = { told: afterRevision, listener };
    for (let page = replay(subscriber.told); page.length > 0; page = replay(subscriber.told)) {
      for (const change of page) {
        subscriber.told = change.revision;
        call(listener, change);
      }
    }
    this.#all.add(subscriber);
    return { close: () => void this.#all.delete(subscriber) };
  }

  clear(): void {
    this.#all.clear();
  }
}

/** The write is durable and the others must hear of it, so a listener that throws ends the process, not the write. */
function call(listener: Listener, change: Change): void {
  try {
    listener(change);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
