import type { Timer } from "../../kernel/clock.ts";
import type { Waker } from "../async/polled.ts";
import { HeliosError } from "../errors/error.ts";
import { fitting } from "../size.ts";
import { RevisionCompacted } from "../store/store.ts";
import { type Content, FRAME_LIMIT, type Frame, takeFrame } from "./frame.ts";
import { LiveQueue } from "./live-queue.ts";
import { encodeToken, scopeOf } from "./token.ts";
import type { HubSource, Item, SizeOf, Watched, WatchOptions } from "./types.ts";

export type Start = { readonly from: "snapshot" } | { readonly from: "journal"; readonly afterRevision: number };

/** In `snapshot` and `journal` the watcher reads at its own pace and nothing is queued. Only `live` has a queue. */
type Phase<I extends Item, S> =
  | { readonly in: "snapshot"; readonly items: readonly S[]; readonly revision: number; next: number }
  | Journal<I>
  | { readonly in: "live"; readonly queue: LiveQueue<I> };

interface Journal<I> {
  readonly in: "journal";
  page: Page<I>;
}

/** A page of the journal. `read`: what of it is still to be delivered, and the revision that it reaches. */
type Page<I> =
  | { readonly is: "wanted" | "awaited" }
  | { readonly is: "read"; readonly items: I[]; readonly through: number }
  | { readonly is: "failed"; readonly error: unknown };

/**
 * How a watch ends. CLOSED: its reader has closed it. FAILED: with this error, after everything up to this revision was
 * delivered.
 */
type Ending =
  | { readonly state: "CLOSED" }
  | { readonly state: "FAILED"; readonly error: HeliosError; readonly revision: number };

/**
 * One reader of a hub. It delivers changes in order, without gaps and without repetition. A slow reader holds at most
 * `QUEUE_LIMIT` changes of `QUEUE_CHARS` characters: beyond that, the queue keeps only the latest change of each name. If
 * that is still too much, the queue is dropped and the watcher catches up from the journal (like etcd's synced and unsynced
 * watchers). A hub without state ends the watcher instead.
 */
export class Watcher<I extends Item, S extends { readonly name: string }> {
  readonly options: WatchOptions;
  readonly #hub: Watched<I, S>;
  readonly #names: ReadonlySet<string>;
  readonly #scope: string;
  readonly #sizeOf: SizeOf<I, S>;
  readonly #onClose: () => void;
  #phase: Phase<I, S>;
  /** Everything up to this revision was delivered, or does not concern this watcher. */
  #position = 0;
  /** Monotonic time in ms at which the next heartbeat is due. The first frame is due at once. */
  #due = Number.NEGATIVE_INFINITY;
  /** The revision of the last frame that has a valid resume token. */
  #delivered = 0;
  /** A batch of which only the first items were delivered. Its revision is not a position to resume from yet. */
  #cut: { readonly revision: number; readonly delivered: number } | undefined;
  /** Somebody asked for a frame of at least this revision, without waiting for the next heartbeat. */
  #wanted = 0;
  #ending: Ending | undefined;
  #waker: Waker | undefined;
  #timer: Timer | undefined;
  /** Whether the watch started from a token rather than from a snapshot of this process. */
  #resumed = false;

  constructor(hub: Watched<I, S>, options: WatchOptions, sizeOf: SizeOf<I, S>, start: Start, onClose: () => void) {
    this.options = options;
    this.#sizeOf = sizeOf;
    this.#hub = hub;
    this.#names = new Set(options.names);
    this.#scope = scopeOf(hub.source.prefix, options.names);
    this.#onClose = onClose;
    if (start.from === "journal") {
      this.#position = start.afterRevision;
      this.#delivered = start.afterRevision;
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

  /** The frames that were read contain everything up to this revision. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Whether everything that concerns the watcher was read. */
  get caughtUp(): boolean {
    return this.#phase.in === "live" && this.#phase.queue.length === 0;
  }

  /** Number of queued changes. Never more than `QUEUE_LIMIT`. */
  get waiting(): number {
    return this.#phase.in === "live" ? this.#phase.queue.length : 0;
  }

  /** Asks for a frame of at least that revision, without waiting for the next heartbeat. */
  requestFrame(revision: number): void {
    this.#wanted = Math.max(this.#wanted, Math.min(revision, this.#hub.feed.revision));
    this.#wake();
  }

  /**
   * Returns the next frame, or undefined if there is none. The first one is there at once, a later one when there is a change or
   * a heartbeat is due. `waker` is told, once, when there may be one, and after `close`. Throws the error that ended the watch.
   */
  poll(waker: Waker): Frame<I, S> | undefined {
    for (;;) {
      if (this.#isClosed()) return undefined;
      const failure = this.#failure();
      if (this.#phase.in === "journal" && failure && this.#position >= failure.revision) throw failure.error;
      const frame = this.#ready();
      if (frame !== undefined) return this.#deliver(frame);
      const isDue = this.options.clock.monotonic() >= this.#due;
      if (this.#phase.in === "journal") {
        if (this.#phase.page.is === "awaited") break;
        // A long part of the journal may contain nothing for this watcher. It still gets heartbeats meanwhile.
        if (isDue) return this.#deliver(this.#heartbeat());
      }
      if (!this.caughtUp) continue;
      const failed = this.#failure();
      if (failed !== undefined) throw failed.error;
      if (isDue || this.#wanted > this.#delivered) return this.#deliver(this.#heartbeat());
      this.#armHeartbeat();
      break;
    }
    this.#waker = waker;
    return undefined;
  }

  /** The same with a promise. Resolves to undefined after `close`. Only one call at a time is allowed. */
  async next(): Promise<Frame<I, S> | undefined> {
    for (;;) {
      const news = Promise.withResolvers<void>();
      const frame = this.poll({ wake: news.resolve });
      if (frame !== undefined || this.#isClosed()) return frame;
      await news.promise;
    }
  }

  close(): void {
    this.#onClose();
    this.#timer?.cancel();
    this.#ending = { state: "CLOSED" };
    this.#wake();
  }

  /** Called by the hub with a change of a name that is watched. */
  push(item: I): void {
    const phase = this.#phase;
    if (phase.in !== "live" || this.#ending !== undefined) return;
    if (item.revision <= this.#position) return;
    this.#enqueue(phase, item);
  }

  /** Called by the hub when the state that this watcher got before its token may have been lost. */
  distrustToken(): void {
    if (!this.#resumed || this.#ending !== undefined) return;
    this.#resumed = false;
    if (this.#hub.source.snapshot === undefined || this.options.onCompacted === "error") {
      this.end(HeliosError.of("REVISION_COMPACTED", { resume_token: this.options.resumeToken }));
      return;
    }
    this.#cut = undefined;
    this.#phase = this.#startOver();
    this.#wake();
  }

  /**
   * Called by the hub with an event that is not in the journal, of a name that is watched. It is only delivered if nothing
   * older is still to be read.
   */
  note(item: I): void {
    const phase = this.#phase;
    if (phase.in === "live" && this.#ending === undefined) this.#enqueue(phase, item);
  }

  /** Called by the hub. Everything that has happened until now is still delivered, then `next` rejects with `error`. */
  end(error: HeliosError): void {
    this.#ending ??= { state: "FAILED", error, revision: this.#hub.feed.revision };
    this.#wake();
  }

  #enqueue(phase: Extract<Phase<I, S>, { in: "live" }>, item: I): void {
    phase.queue.push(item);
    if (phase.queue.isOver) this.#overflow(phase.queue);
    this.#wake();
  }

  #wake(): void {
    const waker = this.#waker;
    this.#waker = undefined;
    if (waker !== undefined) this.#hub.wake(waker);
  }

  #deliver(frame: Frame<I, S>): Frame<I, S> {
    this.#due = this.options.clock.monotonic() + this.options.heartbeatMs;
    if (frame.resumeToken !== "") this.#delivered = frame.revision;
    return frame;
  }

  #isClosed(): boolean {
    return this.#ending?.state === "CLOSED";
  }

  #failure(): Extract<Ending, { state: "FAILED" }> | undefined {
    return this.#ending?.state === "FAILED" ? this.#ending : undefined;
  }

  /** Returns the next frame, or undefined if there is none. */
  #ready(): Frame<I, S> | undefined {
    const phase = this.#phase;
    if (phase.in === "snapshot") return this.#snapshotChunk(phase);
    if (phase.in === "journal") return this.#journalFrame(phase);
    const items = phase.queue.takeFrame(this.#sizeOf);
    const last = items.at(-1);
    if (last === undefined) {
      this.#position = this.#hub.feed.revision;
      return undefined;
    }
    this.#position = this.#reached(items, phase.queue.first);
    const revision = this.#position;
    return this.#hub.share(this.#scope, items, revision, () => this.#token(revision));
  }

  #snapshotChunk(phase: Extract<Phase<I, S>, { in: "snapshot" }>): Frame<I, S> {
    const { items: all, next } = phase;
    const items = all.slice(next, next + fitting(all, next, FRAME_LIMIT, this.#sizeOf));
    phase.next += items.length;
    const complete = phase.next >= phase.items.length;
    // A half-read snapshot is not a position to resume from. Until the last chunk, the token is empty and means "start
    // over".
    const resumeToken = complete ? this.#token(phase.revision) : "";
    if (complete) {
      this.#position = phase.revision;
      this.#phase = phase.revision === this.#hub.feed.revision ? this.#live() : this.#fromJournal();
    }
    return { kind: "snapshot", items, complete, revision: phase.revision, resumeToken };
  }

  #journalFrame(phase: Journal<I>): Frame<I, S> | undefined {
    const { page } = phase;
    if (page.is === "failed") throw page.error;
    if (page.is === "wanted") {
      phase.page = { is: "awaited" };
      void this.#readPage(phase);
    }
    if (page.is !== "read") return undefined;
    const items = takeFrame(page.items, this.#sizeOf);
    const reached = this.#reached(items, page.items[0]);
    const isOver = page.items.length === 0;
    if (isOver) phase.page = { is: "wanted" };
    this.#position = isOver ? page.through : reached;
    if (this.#position >= this.#hub.feed.revision) this.#phase = this.#live();
    return items.length === 0 ? undefined : this.#frame({ kind: "changes", items });
  }

  async #readPage(phase: Journal<I>): Promise<void> {
    const { feed, source } = this.#hub;
    try {
      const { changes, through } = await feed.store.changes(source.prefix, this.#position, FRAME_LIMIT);
      // It may have started over meanwhile.
      if (this.#phase !== phase) return;
      const items = changes
        .map((change) => source.decode(change))
        .filter((item) => item !== undefined)
        .filter((item) => this.#wants(item.name));
      const { revision, delivered } = this.#cut ?? { revision: -1, delivered: 0 };
      if (items[0]?.revision === revision) items.splice(0, delivered);
      // A change that is too large to be sent is replaced by the current state.
      if (this.options.onCompacted === "snapshot" && items.some((item) => source.isOversize?.(item))) {
        this.#phase = this.#startOver();
      } else phase.page = { is: "read", items, through: Math.max(this.#position, through) };
    } catch (error) {
      if (this.#phase !== phase) return;
      if (!(error instanceof RevisionCompacted)) this.#fail(phase, this.#failure()?.error ?? error);
      else if (this.options.onCompacted === "snapshot" && source.snapshot !== undefined)
        this.#phase = this.#startOver();
      else {
        const details = { resume_token: this.#token(this.#position), oldest_revision: error.oldest };
        this.#fail(phase, HeliosError.of("REVISION_COMPACTED", details));
      }
    }
    this.#wake();
  }

  #fail(phase: Journal<I>, error: unknown): void {
    phase.page = { is: "failed", error };
  }

  #fromJournal(): Phase<I, S> {
    return { in: "journal", page: { is: "wanted" } };
  }

  /** Returns the position of a watcher after these items were delivered. `next` is the item that follows. */
  #reached(items: readonly I[], next: I | undefined): number {
    const last = items.at(-1);
    if (last === undefined) return this.#position;
    if (next?.revision !== last.revision) {
      this.#cut = undefined;
      return last.revision;
    }
    // All of the items belong to that batch.
    const delivered = this.#cut?.revision === last.revision ? this.#cut.delivered : 0;
    this.#cut = { revision: last.revision, delivered: delivered + items.length };
    return this.#position;
  }

  #live(): Phase<I, S> {
    return { in: "live", queue: new LiveQueue((item) => this.#hub.source.sizeOf?.(item) ?? 0) };
  }

  #startOver(): Phase<I, S> {
    const { feed, source } = this.#hub;
    if (source.snapshot === undefined) {
      this.#position = feed.revision;
      return this.#live();
    }
    const items = this.#names.size === 0 ? source.snapshot() : this.#found(source);
    return { in: "snapshot", items, revision: feed.revision, next: 0 };
  }

  /** The present state of the watched names, in the order of a snapshot. */
  #found({ find, snapshot }: HubSource<I, S>): readonly S[] {
    if (find === undefined) return snapshot?.().filter((item) => this.#wants(item.name)) ?? [];
    return [...this.#names].sort().flatMap((name) => find(name) ?? []);
  }

  #overflow(queue: LiveQueue<I>): void {
    if (this.#hub.source.snapshot === undefined) {
      this.end(HeliosError.of("WATCHER_TOO_SLOW", { waiting: queue.length }));
      this.#phase = this.#live();
      this.#onClose();
    } else if (!queue.coalesce()) this.#phase = this.#fromJournal();
  }

  /**
   * Wakes the reader when a heartbeat is due. A frame moves that time, and the timer follows only when it fires, because
   * thousands of watchers get the same change.
   */
  #armHeartbeat(): void {
    if (this.#timer !== undefined) return;
    const { clock } = this.options;
    const due = this.#due;
    this.#timer = clock.setTimer(due - clock.monotonic(), () => {
      this.#timer = undefined;
      if (this.#ending?.state === "CLOSED") return;
      if (this.#due !== due) {
        this.#armHeartbeat();
        return;
      }
      // The timer may fire a little early.
      this.#due = clock.monotonic();
      this.#wake();
    });
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
