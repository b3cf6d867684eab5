import { Waiters } from "../async/waiters.ts";
import { HeliosError } from "../errors/error.ts";
import { fitting } from "../size.ts";
import { RevisionCompacted } from "../store/store.ts";
import { encodeToken, scopeOf } from "./token.ts";
import type { Item, SizeOf, Watched, WatchOptions } from "./types.ts";

/**
 * Changes in a watcher's queue. Beyond them, only the newest of each name are kept; if these are too many, they are
 * dropped, and the watcher reads the journal at its own pace. A watch of events ends with `WATCHER_TOO_SLOW` instead.
 * @limit changes
 */
export const QUEUE_LIMIT = 1024;
/** Items in one chunk of a snapshot, and changes in one frame; further ones come in the next. @limit items */
export const FRAME_LIMIT = 500;
/**
 * Length of the changes in a watcher's queue; beyond it, the same happens as beyond `QUEUE_LIMIT` changes.
 * @limit characters
 */
export const QUEUE_CHARS = 8 * 1024 * 1024;

/** What a watcher is told at a time; `revision` and `resumeToken` say where it stands once it has applied it. */
export type Frame<I, S> = { readonly revision: number; readonly resumeToken: string } & (
  | { readonly kind: "snapshot"; readonly items: readonly S[]; readonly complete: boolean }
  | Content<I>
);

type Content<I> =
  | { readonly kind: "changes"; readonly items: readonly I[] }
  | {
      readonly kind: "heartbeat";
      readonly time: number;
      /** The feed's revision: above the frame's while the journal is still being read. */
      readonly head: number;
    };

export type Start = { readonly from: "snapshot" } | { readonly from: "journal"; readonly afterRevision: number };

/** `snapshot` and `journal` read at the watcher's own pace and keep nothing; only `live` has a queue. */
type Phase<I, S> =
  | { readonly in: "snapshot"; readonly items: readonly S[]; readonly revision: number; next: number }
  | { readonly in: "journal"; read: I[]; through: number }
  | { readonly in: "live"; queue: I[] };

/**
 * One reader of a hub: ordered, without a gap, nothing twice. However slowly it reads, it holds at most `QUEUE_LIMIT`
 * changes, of `QUEUE_CHARS` characters in all: past that the queue keeps the latest of each name, and past that it is
 * dropped and the watcher catches up from the journal (the scheme of etcd's synced and unsynced watchers); a hub without state ends it instead.
 */
export class Watcher<I extends Item, S extends { readonly name: string }> {
  readonly options: WatchOptions;
  readonly #hub: Watched<I, S>;
  readonly #names: ReadonlySet<string>;
  readonly #scope: string;
  readonly #sizeOf: SizeOf<I, S>;
  readonly #onClose: () => void;
  #phase: Phase<I, S>;
  /** Everything up to here has been told, or does not concern this watcher. */
  #position = 0;
  /** When the next heartbeat is due, in monotonic ms: the first frame comes at once. */
  #due = Number.NEGATIVE_INFINITY;
  /** The revision of the last frame that is a place to go on from. */
  #told = 0;
  /** The batch of which only the first few items were told: its revision is no place to go on from yet. */
  #cut: { readonly revision: number; readonly told: number } | undefined;
  /** A frame of at least this revision is wanted as soon as it can be. */
  #wanted = 0;
  /** Why there is nothing to tell beyond a revision. */
  #ending: { readonly error: HeliosError; readonly revision: number } | undefined;
  readonly #news = new Waiters();
  /** Whether it goes on from a token, and not from a snapshot of this process. */
  #resumed = false;
  /** Of the queue. */
  #queuedChars = 0;

  constructor(hub: Watched<I, S>, options: WatchOptions, sizeOf: SizeOf<I, S>, start: Start, onClose: () => void) {
    this.options = options;
    this.#sizeOf = sizeOf;
    this.#hub = hub;
    this.#names = new Set(options.names);
    this.#scope = scopeOf(hub.source.prefix, options.names);
    this.#onClose = onClose;
    if (start.from === "journal") {
      this.#position = start.afterRevision;
      this.#told = start.afterRevision;
      this.#resumed = true;
      this.#phase = this.#fromJournal();
    } else {
      this.#phase = this.#startOver();
    }
  }

  /** How many revisions the watcher is behind. */
  get lag(): number {
    return this.#hub.feed.revision - this.#position;
  }

  /** Up to where the frames that were read tell everything. */
  get told(): number {
    return this.#told;
  }

  /** Whether everything that concerns the watcher was read. */
  get caughtUp(): boolean {
    return this.#phase.in === "live" && this.#phase.queue.length === 0;
  }

  /** How many changes are held for the watcher until it reads; never more than `QUEUE_LIMIT`. */
  get waiting(): number {
    return this.#phase.in === "live" ? this.#phase.queue.length : 0;
  }

  /** Asks for a frame of at least that revision without waiting for the next heartbeat. */
  tellUpTo(revision: number): void {
    this.#wanted = Math.max(this.#wanted, Math.min(revision, this.#hub.feed.revision));
    this.#news.wake();
  }

  /**
   * The next frame; the first comes at once, later ones when there is something to tell or a heartbeat is due.
   * One call at a time. Rejects with the error that ended the watch; undefined after `close`.
   */
  async next(): Promise<Frame<I, S> | undefined> {
    const frame = await this.#next();
    if (frame === undefined) return undefined;
    this.#due = this.options.clock.monotonic() + this.options.heartbeatMs;
    if (frame.resumeToken !== "") this.#told = frame.revision;
    return frame;
  }

  close(): void {
    this.#onClose();
    this.#endWith(CLOSED);
  }

  /** Called by the hub. */
  push(item: I): void {
    const phase = this.#phase;
    if (phase.in !== "live" || this.#ending !== undefined) return;
    if (item.revision <= this.#position || !this.#wants(item.name)) return;
    this.#enqueue(phase, item);
  }

  /** Called by the hub: what this watcher was told before its token may never have been. */
  distrustToken(): void {
    if (!this.#resumed || this.#ending !== undefined) return;
    this.#resumed = false;
    if (this.#hub.source.snapshot === undefined || this.options.onCompacted === "error") {
      this.end(HeliosError.of("REVISION_COMPACTED", { resume_token: this.options.resumeToken }));
      return;
    }
    this.#cut = undefined;
    this.#queuedChars = 0;
    this.#phase = this.#startOver();
    this.#news.wake();
  }

  /** Called by the hub with what is in no journal: told only if nothing older is still to be read. */
  note(item: I): void {
    const phase = this.#phase;
    if (phase.in === "live" && this.#ending === undefined && this.#wants(item.name)) this.#enqueue(phase, item);
  }

  /** Called by the hub: what has happened by now is still told, then `next` rejects with `error`. */
  end(error: HeliosError): void {
    this.#endWith(error);
  }

  #enqueue(phase: Extract<Phase<I, S>, { in: "live" }>, item: I): void {
    phase.queue.push(item);
    this.#queuedChars += this.#charsOf(item);
    if (phase.queue.length > QUEUE_LIMIT || this.#queuedChars > QUEUE_CHARS) this.#overflow(phase);
    this.#news.wake();
  }

  #endWith(error: HeliosError): void {
    if (error === CLOSED || this.#ending === undefined) this.#ending = { error, revision: this.#hub.feed.revision };
    this.#news.wake();
  }

  async #next(): Promise<Frame<I, S> | undefined> {
    for (;;) {
      if (this.#isClosed()) return undefined;
      if (this.#phase.in === "journal" && this.#ending && this.#position >= this.#ending.revision) {
        throw this.#ending.error;
      }
      const frame = await this.#ready();
      if (this.#isClosed()) return undefined;
      if (frame !== undefined) return frame;
      // From here to the wait nothing may be awaited: what is pushed in between would wake nobody.
      const isDue = this.options.clock.monotonic() >= this.#due;
      if (!this.caughtUp) {
        // A long journal that tells this watcher nothing is no reason to be silent.
        if (isDue && this.#phase.in === "journal") return this.#heartbeat();
        continue;
      }
      if (this.#ending !== undefined) throw this.#ending.error;
      if (isDue || this.#wanted > this.#told) return this.#heartbeat();
      await this.#waitForNews();
    }
  }

  #isClosed(): boolean {
    return this.#ending?.error === CLOSED;
  }

  async #ready(): Promise<Frame<I, S> | undefined> {
    const phase = this.#phase;
    if (phase.in === "snapshot") return this.#snapshotChunk(phase);
    if (phase.in === "journal") return this.#readJournal(phase);
    const items = this.#takeFrom(phase.queue);
    this.#queuedChars = phase.queue.length === 0 ? 0 : this.#queuedChars - this.#sum(items);
    const last = items.at(-1);
    if (last === undefined) {
      this.#position = this.#hub.feed.revision;
      return undefined;
    }
    this.#position = this.#reached(items, phase.queue);
    return this.#frame({ kind: "changes", items });
  }

  #snapshotChunk(phase: Extract<Phase<I, S>, { in: "snapshot" }>): Frame<I, S> {
    const { items: all, next } = phase;
    const items = all.slice(next, next + fitting(all, next, FRAME_LIMIT, this.#sizeOf));
    phase.next += items.length;
    const complete = phase.next >= phase.items.length;
    // Until the last chunk the token is the one to start over with: half a snapshot is no place to go on from.
    const resumeToken = complete ? this.#token(phase.revision) : "";
    if (complete) {
      this.#position = phase.revision;
      this.#phase = phase.revision === this.#hub.feed.revision ? { in: "live", queue: [] } : this.#fromJournal();
    }
    return { kind: "snapshot", items, complete, revision: phase.revision, resumeToken };
  }

  async #readJournal(phase: Extract<Phase<I, S>, { in: "journal" }>): Promise<Frame<I, S> | undefined> {
    if (phase.read.length === 0) await this.#readPage(phase);
    // It may have been compacted away.
    if (this.#phase !== phase) return undefined;
    const items = this.#takeFrom(phase.read);
    const reached = this.#reached(items, phase.read);
    this.#position = phase.read.length === 0 ? phase.through : reached;
    if (this.#position >= this.#hub.feed.revision) this.#phase = { in: "live", queue: [] };
    return items.length === 0 ? undefined : this.#frame({ kind: "changes", items });
  }

  async #readPage(phase: Extract<Phase<I, S>, { in: "journal" }>): Promise<void> {
    const { feed, source } = this.#hub;
    try {
      const page = await feed.store.changes(source.prefix, this.#position, FRAME_LIMIT);
      phase.through = Math.max(this.#position, page.through);
      phase.read = page.changes
        .map((change) => source.decode(change))
        .filter((item) => item !== undefined)
        .filter((item) => this.#wants(item.name));
      const { revision, told } = this.#cut ?? { revision: -1, told: 0 };
      if (phase.read[0]?.revision === revision) phase.read.splice(0, told);
      const isOversize = phase.read.some((item) => source.isOversize?.(item));
      // What cannot be told whole is told as it is now.
      if (isOversize && this.options.onCompacted === "snapshot") this.#phase = this.#startOver();
    } catch (error) {
      if (!(error instanceof RevisionCompacted)) throw this.#ending?.error ?? error;
      if (this.options.onCompacted === "error" || source.snapshot === undefined) {
        throw HeliosError.of("REVISION_COMPACTED", {
          resume_token: this.#token(this.#position),
          oldest_revision: error.oldest,
        });
      }
      this.#phase = this.#startOver();
    }
  }

  #fromJournal(): Phase<I, S> {
    return { in: "journal", read: [], through: this.#position };
  }

  /** As many items as fit into a frame; of a batch that fits as a whole all or none. */
  #takeFrom(queue: I[]): I[] {
    const most = fitting(queue, 0, FRAME_LIMIT, this.#sizeOf);
    let count = most;
    while (count > 0 && queue[count]?.revision === queue[count - 1]?.revision) count -= 1;
    return queue.splice(0, count === 0 ? most : count);
  }

  /** Where a watcher stands that was told these items, with those to come. */
  #reached(items: readonly I[], rest: readonly I[]): number {
    const last = items.at(-1);
    if (last === undefined) return this.#position;
    if (rest[0]?.revision !== last.revision) {
      this.#cut = undefined;
      return last.revision;
    }
    // Then all of the items are of that batch.
    const told = this.#cut?.revision === last.revision ? this.#cut.told : 0;
    this.#cut = { revision: last.revision, told: told + items.length };
    return this.#position;
  }

  #charsOf(item: I): number {
    return this.#hub.source.sizeOf?.(item) ?? 0;
  }

  #sum(items: readonly I[]): number {
    return items.reduce((sum, item) => sum + this.#charsOf(item), 0);
  }

  #startOver(): Phase<I, S> {
    const { feed, source } = this.#hub;
    if (source.snapshot === undefined) {
      this.#position = feed.revision;
      return { in: "live", queue: [] };
    }
    const all = source.snapshot();
    const items = this.#names.size === 0 ? all : all.filter((item) => this.#wants(item.name));
    return { in: "snapshot", items, revision: feed.revision, next: 0 };
  }

  #overflow(phase: Extract<Phase<I, S>, { in: "live" }>): void {
    if (this.#hub.source.snapshot === undefined) {
      this.end(HeliosError.of("WATCHER_TOO_SLOW", { waiting: phase.queue.length }));
      phase.queue = [];
      this.#queuedChars = 0;
      this.#onClose();
      return;
    }
    // Of a batch nothing may be left out that comes again later: half of it is no state that ever was.
    if (phase.queue.some(({ revision }, index) => revision === phase.queue[index + 1]?.revision)) {
      this.#queuedChars = 0;
      this.#phase = this.#fromJournal();
      return;
    }
    const latest = new Map(phase.queue.map((item) => [item.name, item]));
    phase.queue = phase.queue.filter((item) => latest.get(item.name) === item);
    this.#queuedChars = this.#sum(phase.queue);
    // Half full is the least that coalescing must achieve, or it would run again at every push.
    if (phase.queue.length <= QUEUE_LIMIT / 2 && this.#queuedChars <= QUEUE_CHARS / 2) return;
    this.#queuedChars = 0;
    this.#phase = this.#fromJournal();
  }

  /** Until there is something to look at, or a heartbeat is due. */
  async #waitForNews(): Promise<void> {
    const { clock } = this.options;
    const timer = clock.setTimer(this.#due - clock.monotonic(), () => {
      // It may come a little early.
      this.#due = clock.monotonic();
      this.#news.wake();
    });
    await this.#news.wait();
    timer.cancel();
  }

  #heartbeat(): Frame<I, S> {
    return this.#frame({ kind: "heartbeat", time: this.options.clock.now(), head: this.#hub.feed.revision });
  }

  #frame(content: Content<I>): Frame<I, S> {
    return { ...content, revision: this.#position, resumeToken: this.#token(this.#position) };
  }

  #token(revision: number): string {
    return encodeToken({ incarnation: this.#hub.feed.store.incarnation, revision, scope: this.#scope });
  }

  #wants(name: string): boolean {
    return this.#names.size === 0 || this.#names.has(name);
  }
}

/** Marks a watcher that its reader closed: that is no error. */
const CLOSED = HeliosError.of("INTERNAL", { error_id: "closed" });
