import { HeliosError } from "../errors.ts";
import { RevisionCompacted } from "../store/store.ts";
import type { Hub, Item, WatchOptions } from "./hub.ts";
import { encodeToken } from "./token.ts";

/** Changes a watcher may leave unread before they are coalesced, then dropped and read again from the journal. */
export const QUEUE_LIMIT = 1024;
/** Items in one chunk of a snapshot, and changes in one frame. */
export const FRAME_LIMIT = 500;

/** What a watcher is told at a time; `revision` and `resumeToken` say where it stands once it has applied it. */
export type Frame<I, S> = { readonly revision: number; readonly resumeToken: string } & (
  | { readonly kind: "snapshot"; readonly items: readonly S[]; readonly complete: boolean }
  | Content<I>
);

type Content<I> =
  | { readonly kind: "changes"; readonly items: readonly I[] }
  | { readonly kind: "heartbeat"; readonly time: number };

export type Start = { readonly from: "snapshot" } | { readonly from: "journal"; readonly afterRevision: number };

/** `snapshot` and `journal` read at the watcher's own pace and keep nothing; only `live` has a queue. */
type Phase<I, S> =
  | { readonly in: "snapshot"; readonly items: readonly S[]; readonly revision: number; next: number }
  | { readonly in: "journal" }
  | { readonly in: "live"; queue: I[] };

/**
 * One reader of a hub: ordered, without a gap, nothing twice. However slowly it reads, it holds at most `QUEUE_LIMIT`
 * changes: past that the queue keeps the latest of each name, and past that it is dropped and the watcher catches up
 * from the journal (the scheme of etcd's synced and unsynced watchers); a hub without state ends it instead.
 */
export class Watcher<I extends Item, S extends { readonly name: string }> {
  readonly #hub: Hub<I, S>;
  readonly #options: WatchOptions;
  readonly #names: ReadonlySet<string>;
  readonly #onClose: () => void;
  #phase: Phase<I, S>;
  /** Everything up to here has been told, or does not concern this watcher. */
  #position = 0;
  #told = false;
  /** Why there is nothing to tell beyond a revision. */
  #ending: { readonly error: HeliosError; readonly revision: number } | undefined;
  #wake: (() => void) | undefined;

  constructor(hub: Hub<I, S>, options: WatchOptions, start: Start, onClose: () => void) {
    this.#hub = hub;
    this.#options = options;
    this.#names = new Set(options.names);
    this.#onClose = onClose;
    if (start.from === "journal") {
      this.#position = start.afterRevision;
      this.#phase = { in: "journal" };
    } else {
      this.#phase = this.#startOver();
    }
  }

  /** How many revisions the watcher is behind. */
  get lag(): number {
    return this.#hub.feed.revision - this.#position;
  }

  /** How many changes are held for the watcher until it reads; never more than `QUEUE_LIMIT`. */
  get waiting(): number {
    return this.#phase.in === "live" ? this.#phase.queue.length : 0;
  }

  /**
   * The next frame; the first comes at once, later ones when there is something to tell or a heartbeat is due.
   * One call at a time. Rejects with the error that ended the watch; undefined after `close`.
   */
  async next(): Promise<Frame<I, S> | undefined> {
    const frame = await this.#next();
    this.#told = true;
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
    phase.queue.push(item);
    if (phase.queue.length > QUEUE_LIMIT) this.#overflow(phase);
    this.#wake?.();
  }

  /** Called by the hub: what has happened by now is still told, then `next` rejects with `error`. */
  end(error: HeliosError): void {
    this.#endWith(error);
  }

  #endWith(error: HeliosError): void {
    if (error === CLOSED || this.#ending === undefined) this.#ending = { error, revision: this.#hub.feed.revision };
    this.#wake?.();
  }

  async #next(): Promise<Frame<I, S> | undefined> {
    for (let due = !this.#told; ; ) {
      if (this.#isClosed()) return undefined;
      if (this.#phase.in === "journal" && this.#ending && this.#position >= this.#ending.revision) {
        throw this.#ending.error;
      }
      const frame = await this.#ready();
      if (this.#isClosed()) return undefined;
      if (frame !== undefined) return frame;
      // From here to the wait nothing may be awaited: what is pushed in between would wake nobody.
      if (this.#phase.in !== "live" || this.#phase.queue.length > 0) continue;
      if (this.#ending !== undefined) throw this.#ending.error;
      if (due) return this.#heartbeat();
      due = !(await this.#waitForNews());
    }
  }

  #isClosed(): boolean {
    return this.#ending?.error === CLOSED;
  }

  async #ready(): Promise<Frame<I, S> | undefined> {
    const phase = this.#phase;
    if (phase.in === "snapshot") return this.#snapshotChunk(phase);
    if (phase.in === "journal") return this.#readJournal();
    const items = phase.queue.splice(0, FRAME_LIMIT);
    const last = items.at(-1);
    if (last === undefined) {
      this.#position = this.#hub.feed.revision;
      return undefined;
    }
    this.#position = last.revision;
    return this.#frame({ kind: "changes", items });
  }

  #snapshotChunk(phase: Extract<Phase<I, S>, { in: "snapshot" }>): Frame<I, S> {
    const items = phase.items.slice(phase.next, phase.next + FRAME_LIMIT);
    phase.next += items.length;
    const complete = phase.next >= phase.items.length;
    // Until the last chunk the token is the one to start over with: half a snapshot is no place to go on from.
    const resumeToken = complete ? this.#token(phase.revision) : "";
    if (complete) {
      this.#position = phase.revision;
      this.#phase = phase.revision === this.#hub.feed.revision ? { in: "live", queue: [] } : { in: "journal" };
    }
    return { kind: "snapshot", items, complete, revision: phase.revision, resumeToken };
  }

  async #readJournal(): Promise<Frame<I, S> | undefined> {
    const { feed, source } = this.#hub;
    try {
      const page = await feed.store.changes(source.prefix, this.#position, FRAME_LIMIT);
      this.#position = Math.max(this.#position, page.through);
      if (page.through >= feed.revision) this.#phase = { in: "live", queue: [] };
      const items = page.changes
        .map((change) => source.decode(change))
        .filter((item) => item !== undefined)
        .filter((item) => this.#wants(item.name));
      return items.length === 0 ? undefined : this.#frame({ kind: "changes", items });
    } catch (error) {
      if (!(error instanceof RevisionCompacted)) throw this.#ending?.error ?? error;
      if (this.#options.onCompacted === "error" || source.snapshot === undefined) {
        throw HeliosError.of("REVISION_COMPACTED", {
          resume_token: this.#token(this.#position),
          oldest_revision: error.oldest,
        });
      }
      this.#phase = this.#startOver();
      return undefined;
    }
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
      this.#onClose();
      return;
    }
    const latest = new Map(phase.queue.map((item) => [item.name, item]));
    phase.queue = phase.queue.filter((item) => latest.get(item.name) === item);
    // Half full is the least that coalescing must achieve, or it would run again at every push.
    if (phase.queue.length > QUEUE_LIMIT / 2) this.#phase = { in: "journal" };
  }

  /** True when there is something to look at, false when a heartbeat is due. */
  #waitForNews(): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (news: boolean): void => {
        this.#wake = undefined;
        timer.cancel();
        resolve(news);
      };
      const timer = this.#options.clock.setTimer(this.#options.heartbeatMs, () => settle(false));
      this.#wake = () => settle(true);
    });
  }

  #heartbeat(): Frame<I, S> {
    return this.#frame({ kind: "heartbeat", time: this.#options.clock.now() });
  }

  #frame(content: Content<I>): Frame<I, S> {
    return { ...content, revision: this.#position, resumeToken: this.#token(this.#position) };
  }

  #token(revision: number): string {
    return encodeToken({ incarnation: this.#hub.feed.store.incarnation, revision });
  }

  #wants(name: string): boolean {
    return this.#names.size === 0 || this.#names.has(name);
  }
}

/** Marks a watcher that its reader closed: that is no error. */
const CLOSED = HeliosError.of("INTERNAL", { error_id: "closed" });
