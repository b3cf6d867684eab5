import type { Waker } from "../async/polled.ts";
import { checkSpan } from "../errors/check-span.ts";
import { HeliosError } from "../errors/error.ts";
import type { Feed } from "../store/feed.ts";
import { decodeToken, scopeOf } from "./token.ts";
import type { ChangesFrame, HubSource, Item, SizeOf, WatchOptions } from "./types.ts";
import { type Start, Watcher } from "./watcher.ts";

/** Called when watchers with an identity start and stop. */
export interface HubObserver {
  opened(watcher: AnyWatcher): void;
  closed(watcher: AnyWatcher): void;
}

/** The properties that all kinds of watchers have. */
export type AnyWatcher = Pick<
  Watcher<Item, { readonly name: string }>,
  "options" | "delivered" | "caughtUp" | "waiting" | "requestFrame"
>;

/** Scopes whose last frame is kept, so that several watchers can share it. @limit scopes */
const SHARED_SCOPES = 16;

function areSame(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((item, at) => item === other[at]);
}

/** Publishes the changes of one kind to its watchers. A writer never waits for a watcher. */
export class Hub<I extends Item, S extends { readonly name: string }> {
  readonly feed: Feed;
  readonly source: HubSource<I, S>;
  readonly #watchers = new Set<Watcher<I, S>>();
  /** The watchers of all names, and those of single names. An item costs only the watchers that want it. */
  readonly #ofAll = new Set<Watcher<I, S>>();
  readonly #byName = new Map<string, Set<Watcher<I, S>>>();
  readonly #observers: HubObserver[] = [];
  /** The last frame for each scope, if several watchers may deliver it. */
  readonly #shared = new Map<string, ChangesFrame<I>>();
  #woken: Waker[] = [];
  #ended: HeliosError | undefined;

  constructor(feed: Feed, source: HubSource<I, S>) {
    this.feed = feed;
    this.source = source;
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  /** Whether the hub was ended. Watchers that close afterwards did not leave by themselves. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Sends an item to the watchers of its name. Called while the feed publishes the item's revision. */
  publish(item: I): void {
    for (const watcher of this.#ofAll) watcher.push(item);
    for (const watcher of this.#byName.get(item.name) ?? []) watcher.push(item);
  }

  /** Sends an item that is not in the journal to the current watchers of its name. Its revision must be the feed's revision. */
  announce(item: I): void {
    for (const watcher of this.#ofAll) watcher.note(item);
    for (const watcher of this.#byName.get(item.name) ?? []) watcher.note(item);
  }

  /**
   * Returns a frame with changes: the one that another watcher of the same scope has got, if it has the same content. So
   * whoever encodes frames can encode one for many watchers.
   */
  share(scope: string, items: readonly I[], revision: number, token: () => string): ChangesFrame<I> {
    const last = this.#shared.get(scope);
    if (last !== undefined && last.revision === revision && areSame(last.items, items)) return last;
    if (this.#shared.size >= SHARED_SCOPES) this.#shared.clear();
    const frame: ChangesFrame<I> = { kind: "changes", items, revision, resumeToken: token() };
    this.#shared.set(scope, frame);
    return frame;
  }

  /** See `Watched`. All in one microtask, because a change may concern thousands of readers. */
  wake(waker: Waker): void {
    this.#woken.push(waker);
    if (this.#woken.length > 1) return;
    queueMicrotask(() => {
      const woken = this.#woken;
      this.#woken = [];
      for (const one of woken) one.wake();
    });
  }

  observe(observer: HubObserver): void {
    this.#observers.push(observer);
  }

  /**
   * Starts a watch. The caller must close the watcher. Throws RESUME_TOKEN_INVALID, REVISION_COMPACTED (the watcher may
   * also throw it later), or the error that the hub was ended with.
   *
   * @param sizeOf the sizes by which frames are filled. Default: those of the source.
   */
  watch(options: WatchOptions, sizeOf: SizeOf<I, S> = this.#sizeOf): Watcher<I, S> {
    if (this.#ended !== undefined) throw this.#ended;
    const { heartbeatMs, who } = options;
    checkSpan("heartbeatMs", heartbeatMs, { isAbove: true });
    const watcher = new Watcher(this, options, sizeOf, this.#start(options), () => {
      if (!this.#remove(watcher) || who === undefined) return;
      for (const observer of this.#observers) observer.closed(watcher);
    });
    this.#add(watcher);
    if (who !== undefined) for (const observer of this.#observers) observer.opened(watcher);
    return watcher;
  }

  /**
   * Resume tokens are no longer reliable. Watchers that started with one get a snapshot; without a state to show, they are
   * ended.
   */
  distrustTokens(): void {
    for (const watcher of this.#watchers) watcher.distrustToken();
  }

  /** Ends every watcher with `error` after it has read its queue, and refuses new watchers. */
  end(error: HeliosError): void {
    this.#ended = error;
    for (const watcher of this.#watchers) watcher.end(error);
  }

  #add(watcher: Watcher<I, S>): void {
    this.#watchers.add(watcher);
    if (watcher.options.names.length === 0) this.#ofAll.add(watcher);
    for (const name of watcher.options.names) {
      const those = this.#byName.get(name);
      if (those === undefined) this.#byName.set(name, new Set([watcher]));
      else those.add(watcher);
    }
  }

  /** Returns whether the watcher was still open. */
  #remove(watcher: Watcher<I, S>): boolean {
    this.#ofAll.delete(watcher);
    for (const name of watcher.options.names) {
      const those = this.#byName.get(name);
      those?.delete(watcher);
      if (those?.size === 0) this.#byName.delete(name);
    }
    return this.#watchers.delete(watcher);
  }

  readonly #sizeOf: SizeOf<I, S> = (item) => this.source.sizeOf?.(item) ?? 0;

  #start({ resumeToken, onCompacted, names }: WatchOptions): Start {
    if (resumeToken === "") return { from: "snapshot" };
    const { incarnation, revision, scope } = decodeToken(resumeToken);
    const known = incarnation === this.feed.store.incarnation && scope === scopeOf(this.source.prefix, names);
    if (known && revision <= this.feed.revision) return { from: "journal", afterRevision: revision };
    if (incarnation === this.feed.store.incarnation && revision > this.feed.revision) this.feed.sawAhead(revision);
    // Events have no state that a snapshot could show, so the watcher must learn that some are missing.
    if (onCompacted === "snapshot" && this.source.snapshot !== undefined) return { from: "snapshot" };
    throw HeliosError.of("REVISION_COMPACTED", { resume_token: resumeToken });
  }
}
