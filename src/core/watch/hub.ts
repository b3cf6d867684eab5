import type { Clock } from "../clock.ts";
import { HeliosError } from "../errors.ts";
import type { Feed } from "../store/feed.ts";
import type { Change } from "../store/store.ts";
import { decodeToken } from "./token.ts";
import { type Start, Watcher } from "./watcher.ts";

/** What a hub tells of: something with a name, at a revision. */
export interface Item {
  readonly name: string;
  readonly revision: number;
}

export interface HubSource<I extends Item, S extends { readonly name: string }> {
  /** Where in the store's journal the changes are. */
  readonly prefix: string;
  /** Everything as it is at the feed's revision; absent where there is no present state, only events. */
  snapshot?(): readonly S[];
  /** What a change in the journal tells; undefined: nothing. Must agree with what is published. */
  decode(change: Change): I | undefined;
}

export interface WatchOptions {
  readonly clock: Clock;
  /** Only these; empty: all. */
  readonly names: readonly string[];
  /** The last token that the watcher got; empty: start with a snapshot (or, without state, with what comes). */
  readonly resumeToken: string;
  /**
   * What to do when the changes since the token are not kept: start over with a snapshot, or fail with
   * REVISION_COMPACTED; a hub without state always fails.
   */
  readonly onCompacted: "snapshot" | "error";
  /** A heartbeat follows when there was nothing to tell for so long; above 0. */
  readonly heartbeatMs: number;
}

/** Fans the changes of one kind out to its watchers. A writer never waits for one. */
export class Hub<I extends Item, S extends { readonly name: string }> {
  readonly feed: Feed;
  readonly source: HubSource<I, S>;
  readonly #watchers = new Set<Watcher<I, S>>();
  #ended: HeliosError | undefined;

  constructor(feed: Feed, source: HubSource<I, S>) {
    this.feed = feed;
    this.source = source;
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  /** Tells every watcher; from within the feed's call. */
  publish(item: I): void {
    for (const watcher of this.#watchers) watcher.push(item);
  }

  /**
   * Starts to watch; the caller closes the watcher when it is done. Throws RESUME_TOKEN_INVALID, REVISION_COMPACTED
   * (here, or from the watcher later) or what the hub was ended with.
   */
  watch(options: WatchOptions): Watcher<I, S> {
    if (this.#ended !== undefined) throw this.#ended;
    const { heartbeatMs } = options;
    if (!Number.isFinite(heartbeatMs) || heartbeatMs <= 0) {
      throw HeliosError.of("ARGUMENT_INVALID", { field: "heartbeatMs", problem: `must be above 0, is ${heartbeatMs}` });
    }
    const watcher = new Watcher(this, options, this.#start(options), () => this.#watchers.delete(watcher));
    this.#watchers.add(watcher);
    return watcher;
  }

  /** Ends every watcher with `error`, after what is waiting for it, and refuses new ones. */
  end(error: HeliosError): void {
    this.#ended = error;
    for (const watcher of this.#watchers) watcher.end(error);
  }

  #start({ resumeToken, onCompacted }: WatchOptions): Start {
    if (resumeToken === "") return { from: "snapshot" };
    const { incarnation, revision } = decodeToken(resumeToken);
    if (incarnation === this.feed.store.incarnation && revision <= this.feed.revision) {
      return { from: "journal", afterRevision: revision };
    }
    // Who watches events must learn that some are missing: there is no state that would make up for them.
    if (onCompacted === "snapshot" && this.source.snapshot !== undefined) return { from: "snapshot" };
    throw HeliosError.of("REVISION_COMPACTED", { resume_token: resumeToken });
  }
}
