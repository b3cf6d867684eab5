import type { Collection } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import type { BreakerRecord } from "./record.ts";

/**
 * Deleted breakers whose last epoch is remembered by name. Beyond them, new breakers start above the highest forgotten
 * epoch. @limit breakers
 */
export const MAX_ENDED_LIVES = 10_000;

/**
 * Where a breaker's epochs begin: at 1, and where another of its name was deleted above all of that one's, so that a late
 * outcome of a call in the other's life has no vote. Across restarts the journal tells of it, as far back as it goes.
 */
export class Lives {
  readonly #collection: Collection<BreakerRecord>;
  readonly #feed: Feed;
  readonly #ended = new Map<string, number>();
  #highestForgotten = 0;

  constructor(collection: Collection<BreakerRecord>, feed: Feed) {
    this.#collection = collection;
    this.#feed = feed;
  }

  /** A breaker was deleted in that epoch, whether it was stored or not. */
  ended(name: string, epoch: number): void {
    this.#ended.delete(name);
    this.#ended.set(name, epoch);
    if (this.#ended.size <= MAX_ENDED_LIVES) return;
    for (const [oldest, last] of this.#ended) {
      this.#ended.delete(oldest);
      this.#highestForgotten = Math.max(this.#highestForgotten, last);
      return;
    }
  }

  /** Where a breaker of that name begins, by what was deleted in this process. */
  firstEpoch(name: string): number {
    return Math.max(this.#ended.get(name) ?? 0, this.#highestForgotten) + 1;
  }

  /** The same by what the journal tells. */
  async firstEpochSince(name: string): Promise<number> {
    const changes = await this.#feed.store.history(this.#collection.prefix + name, 1);
    // Each of its transitions that was stored has raised the store's revision.
    return changes.length === 0 || this.firstEpoch(name) > 1 ? 1 : this.#feed.revision + 1;
  }
}
