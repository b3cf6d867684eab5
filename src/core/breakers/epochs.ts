import type { Collection } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import type { BreakerRecord } from "./record.ts";

/**
 * Deleted breakers whose last epoch is remembered by name. Beyond them, new breakers start above the highest forgotten
 * epoch. @limit breakers
 */
const MAX_ENDED_EPOCHS = 10_000;

/**
 * Chooses the first epoch of each new breaker. It is 1, or above all epochs of a deleted breaker of the same name, so that a
 * late outcome of a call through the deleted one decides nothing. After a restart, the journal shows whether a breaker of the
 * name was deleted, as far back as the journal goes.
 */
export class Epochs {
  readonly #collection: Collection<BreakerRecord>;
  readonly #feed: Feed;
  /** The last epoch of each deleted breaker, in the order of the deletions. */
  readonly #ended = new Map<string, number>();
  #highestForgotten = 0;

  constructor(collection: Collection<BreakerRecord>, feed: Feed) {
    this.#collection = collection;
    this.#feed = feed;
  }

  /** Notes that a breaker was deleted in that epoch, whether the epoch was stored or not. */
  ended(name: string, epoch: number): void {
    this.#ended.delete(name);
    this.#ended.set(name, epoch);
    if (this.#ended.size <= MAX_ENDED_EPOCHS) return;
    for (const [oldest, last] of this.#ended) {
      this.#ended.delete(oldest);
      this.#highestForgotten = Math.max(this.#highestForgotten, last);
      return;
    }
  }

  /** The first epoch of a new breaker of that name, by the deletions of this process. */
  first(name: string): number {
    return Math.max(this.#ended.get(name) ?? 0, this.#highestForgotten) + 1;
  }

  /** The first epoch of a new breaker of that name, by the deletions in the journal. */
  async firstByJournal(name: string): Promise<number> {
    const changes = await this.#feed.store.history(this.#collection.prefix + name, 1);
    // Each transition that was stored has raised the store's revision, so the revision is above every epoch.
    return changes.length === 0 || this.first(name) > 1 ? 1 : this.#feed.revision + 1;
  }
}
