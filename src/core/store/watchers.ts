import type { Change, ChangeListener, Subscription } from "./store.ts";

/** The changes of one revision; never empty. */
type Batch = readonly Change[];

/** The listeners of a store. Each is told every batch once and in order, whatever listeners do from within a call. */
export class Watchers {
  readonly #all = new Set<{ told: number; readonly listener: ChangeListener }>();
  readonly #untold: Batch[] = [];
  #telling = false;

  /** Tells every listener, or queues the batch when called from within one: then the outer call tells it. */
  tell(batch: Batch): void {
    this.#untold.push(batch);
    if (this.#telling) return;
    this.#telling = true;
    for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) {
      const revision = revisionOf(next);
      for (const subscriber of this.#all) {
        if (revision <= subscriber.told) continue;
        subscriber.told = revision;
        call(subscriber.listener, next);
      }
    }
    this.#telling = false;
  }

  /** `replay` gives the batches after a revision that exist already; it is asked until there are none. */
  add(
    afterRevision: number,
    listener: ChangeListener,
    replay: (afterRevision: number) => readonly Batch[],
  ): Subscription {
    const subscriber = { told: afterRevision, listener };
    for (let page = replay(subscriber.told); page.length > 0; page = replay(subscriber.told)) {
      for (const batch of page) {
        subscriber.told = revisionOf(batch);
        call(listener, batch);
      }
    }
    this.#all.add(subscriber);
    return { close: () => void this.#all.delete(subscriber) };
  }

  clear(): void {
    this.#all.clear();
  }
}

function revisionOf([change]: Batch): number {
  return change?.revision ?? 0;
}

/** The write is durable and the others must hear of it, so a listener that throws ends the process, not the write. */
function call(listener: ChangeListener, batch: Batch): void {
  try {
    listener(batch);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
