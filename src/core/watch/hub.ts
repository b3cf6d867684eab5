import { checkSpan } from "../errors/check-span.ts";
import { HeliosError } from "../errors/error.ts";
import type { Feed } from "../store/feed.ts";
import { decodeToken, scopeOf } from "./token.ts";
import type { HubSource, Item, SizeOf, WatchOptions } from "./types.ts";
import { type Start, Watcher } from "./watcher.ts";

/** Sees watchers that say who they are come and go. */
export interface HubObserver {
  opened(watcher: AnyWatcher): void;
  closed(watcher: AnyWatcher): void;
}

/** What is to be known of a watcher, whatever it watches. */
export type AnyWatcher = Pick<
  Watcher<Item, { readonly name: string }>,
  "options" | "told" | "caughtUp" | "waiting" | "tellUpTo"
>;

/** Fans the changes of one kind out to its watchers. A writer never waits for one. */
export class Hub<I extends Item, S extends { readonly name: string }> {
  readonly feed: Feed;
  readonly source: HubSource<I, S>;
  readonly #watchers = new Set<Watcher<I, S>>();
  readonly #observers: HubObserver[] = [];
  #ended: HeliosError | undefined;

  constructor(feed: Feed, source: HubSource<I, S>) {
    this.feed = feed;
    this.source = source;
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  /** Whether it was ended: watchers that close now have not gone by themselves. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Tells every watcher; from within the feed's call. */
  publish(item: I): void {
    for (const watcher of this.#watchers) watcher.push(item);
  }

  /** Tells those who watch at this moment of something that is in no journal; its revision must be the feed's. */
  announce(item: I): void {
    for (const watcher of this.#watchers) watcher.note(item);
  }

  observe(observer: HubObserver): void {
    this.#observers.push(observer);
  }

  /**
   * Starts to watch; the caller closes the watcher when it is done. Throws RESUME_TOKEN_INVALID, REVISION_COMPACTED
   * (here, or from the watcher later) or what the hub was ended with.
   *
   * @param sizeOf what frames are cut by. Default: as the source has it.
   */
  watch(options: WatchOptions, sizeOf: SizeOf<I, S> = this.#sizeOf): Watcher<I, S> {
    if (this.#ended !== undefined) throw this.#ended;
    const { heartbeatMs, who } = options;
    checkSpan("heartbeatMs", heartbeatMs, { isAbove: true });
    const watcher = new Watcher(this, options, sizeOf, this.#start(options), () => {
      if (!this.#watchers.delete(watcher) || who === undefined) return;
      for (const observer of this.#observers) observer.closed(watcher);
    });
    this.#watchers.add(watcher);
    if (who !== undefined) for (const observer of this.#observers) observer.opened(watcher);
    return watcher;
  }

  /** What those hold that came with a token is not to be relied on: they get a snapshot; without state they are ended. */
  distrustTokens(): void {
    for (const watcher of this.#watchers) watcher.distrustToken();
  }

  /** Ends every watcher with `error`, after what is waiting for it, and refuses new ones. */
  end(error: HeliosError): void {
    this.#ended = error;
    for (const watcher of this.#watchers) watcher.end(error);
  }

  readonly #sizeOf: SizeOf<I, S> = (item) => this.source.sizeOf?.(item) ?? 0;

  #start({ resumeToken, onCompacted, names }: WatchOptions): Start {
    if (resumeToken === "") return { from: "snapshot" };
    const { incarnation, revision, scope } = decodeToken(resumeToken);
    const known = incarnation === this.feed.store.incarnation && scope === scopeOf(this.source.prefix, names);
    if (known && revision <= this.feed.revision) return { from: "journal", afterRevision: revision };
    if (incarnation === this.feed.store.incarnation && revision > this.feed.revision) this.feed.sawAhead(revision);
    // Who watches events must learn that some are missing: there is no state that would make up for them.
    if (onCompacted === "snapshot" && this.source.snapshot !== undefined) return { from: "snapshot" };
    throw HeliosError.of("REVISION_COMPACTED", { resume_token: resumeToken });
  }
}
