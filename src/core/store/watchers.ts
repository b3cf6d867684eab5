import type { Change, ChangeListener, Subscription } from "./store.ts";

/** The changes of one revision. Never empty. */
type Batch = readonly Change[];

/**
 * The listeners of a store. Each gets every batch once and in order, even if a listener writes to the store during a call.
 */
export class Watchers {
  readonly #all = new Set<{ delivered: number; readonly listener: ChangeListener }>();
  readonly #undelivered: Batch[] = [];
  #delivering = false;

  /**
   * Calls every listener with the batch. A call from within a listener only queues the batch, and the outer call delivers
   * it.
   */
  deliver(batch: Batch): void {
    this.#undelivered.push(batch);
    if (this.#delivering) return;
    this.#delivering = true;
    for (let next = this.#undelivered.shift(); next !== undefined; next = this.#undelivered.shift()) {
      const revision = revisionOf(next);
      for (const subscriber of this.#all) {
        if (revision <= subscriber.delivered) continue;
        subscriber.delivered = revision;
        call(subscriber.listener, next);
      }
    }
    this.#delivering = false;
  }

  /** Adds a listener. `replay` returns the existing batches after a revision. It is called until it returns no more. */
  add(
    afterRevision: number,
    listener: ChangeListener,
    replay: (afterRevision: number) => readonly Batch[],
  ): Subscription {
    const subscriber = { delivered: afterRevision, listener };
    for (let page = replay(subscriber.delivered); page.length > 0; page = replay(subscriber.delivered)) {
      for (const batch of page) {
        subscriber.delivered = revisionOf(batch);
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

/**
 * The write is durable, and the other listeners must get it. So a listener that throws ends the process rather than the
 * write.
 */
function call(listener: ChangeListener, batch: Batch): void {
  try {
    listener(batch);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
