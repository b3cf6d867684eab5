import type { Clock } from "../clock.ts";
import {
  COMPACTION_STEP,
  checkBatch,
  checkKept,
  checkKeptChanges,
  checkKey,
  checkLimit,
  checkRevision,
  checkValue,
  isStepDue,
  KEPT_CHANGES,
  storeClosed,
} from "./checks.ts";
import {
  type BatchResult,
  type BatchWrite,
  type Cause,
  type Change,
  type ChangeListener,
  type ChangePage,
  type Entry,
  KEPT_CHANGES_PER_KEY,
  MAX_PAGE_CHARS,
  RevisionConflict,
  type Store,
  type Subscription,
  type WriteOptions,
} from "./store.ts";
import { Watchers } from "./watchers.ts";
import { Writability } from "./writability.ts";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly incarnation: string;
  /** Changes kept for `changes` and `watch`; older ones are compacted away. Default 100,000. */
  readonly keptChanges?: number;
}

/** A store that lives and dies with the process: for tests, and for running without a data directory. */
export function createMemoryStore(options: MemoryStoreOptions): Store {
  return new MemoryStore(options);
}

/** A write happens after the call, as on a disk: races that a durable store would have are there to be met in tests. */
const LATER = Promise.resolve();

class MemoryStore implements Store {
  readonly incarnation: string;
  readonly writable = new Writability();
  readonly #clock: Clock;
  readonly #keptChanges: number;
  readonly #entries = new Map<string, Entry>();
  /** Every revision above `#compacted`. */
  readonly #journal = new Map<number, readonly Change[]>();
  /** What is kept of each key, in the journal or not; oldest first. */
  readonly #histories = new Map<string, Change[]>();
  readonly #watchers = new Watchers();
  #revision = 0;
  #compacted = 0;
  #closed = false;

  constructor({ clock, incarnation, keptChanges = KEPT_CHANGES }: MemoryStoreOptions) {
    this.incarnation = incarnation;
    this.#clock = clock;
    this.#keptChanges = checkKeptChanges(keptChanges);
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#checkOpen();
    return this.#entries.get(key);
  }

  async list(prefix: string): Promise<{ readonly entries: readonly Entry[]; readonly revision: number }> {
    this.#checkOpen();
    const entries = [...this.#entries.values()].filter((entry) => entry.key.startsWith(prefix));
    return { entries: entries.sort((a, b) => (a.key < b.key ? -1 : 1)), revision: this.#revision };
  }

  async put(key: string, value: string, { cause, ifRevision }: WriteOptions): Promise<Entry> {
    this.#checkOpen();
    checkKey(key);
    checkValue(value);
    const { entries } = await this.#write([{ key, value, ...(ifRevision === undefined ? {} : { ifRevision }) }], cause);
    const [entry] = entries;
    if (entry === undefined) throw new Error("a put always makes an entry");
    return entry;
  }

  async delete(key: string, { cause, ifRevision }: WriteOptions): Promise<number | undefined> {
    this.#checkOpen();
    checkKey(key);
    const write = { key, value: undefined, ...(ifRevision === undefined ? {} : { ifRevision }) };
    return (await this.#write([write], cause)).revision;
  }

  async batch(writes: readonly BatchWrite[], cause: Cause): Promise<BatchResult> {
    this.#checkOpen();
    checkBatch(writes);
    return this.#write(writes, cause);
  }

  async changes(prefix: string, afterRevision: number, limit: number): Promise<ChangePage> {
    this.#checkOpen();
    checkLimit(limit);
    checkKept(afterRevision, this.#compacted, this.#revision);
    const changes: Change[] = [];
    let chars = 0;
    for (let revision = afterRevision + 1; revision <= this.#revision; revision++) {
      const batch = this.#journal.get(revision)?.filter((change) => change.key.startsWith(prefix)) ?? [];
      changes.push(...batch);
      for (const change of batch) chars += sizeOf(change);
      if (changes.length >= limit || chars >= MAX_PAGE_CHARS) return { changes, through: revision };
    }
    return { changes, through: this.#revision };
  }

  async history(key: string, limit: number, beforeRevision = Number.POSITIVE_INFINITY): Promise<readonly Change[]> {
    this.#checkOpen();
    checkLimit(limit);
    const changes = this.#histories.get(key) ?? [];
    const newest = changes.length - KEPT_CHANGES_PER_KEY;
    return changes
      .filter((change, index) => index >= newest || change.revision > this.#compacted)
      .filter((change) => change.revision < beforeRevision)
      .reverse()
      .slice(0, limit);
  }

  async watch(afterRevision: number, listener: ChangeListener): Promise<Subscription> {
    this.#checkOpen();
    checkKept(afterRevision, this.#compacted, this.#revision);
    return this.#watchers.add(afterRevision, listener, (after) => {
      checkKept(after, this.#compacted, this.#revision);
      const next = this.#journal.get(after + 1);
      return next === undefined ? [] : [next];
    });
  }

  async compact(throughRevision: number): Promise<void> {
    this.#checkOpen();
    checkRevision(throughRevision);
    this.#forget(Math.min(throughRevision, this.#revision));
  }

  async close(): Promise<void> {
    await LATER;
    this.#closed = true;
    this.#watchers.clear();
  }

  async #write(writes: readonly BatchWrite[], cause: Cause): Promise<BatchResult> {
    await LATER;
    for (const { key, ifRevision } of writes) {
      const actual = this.#entries.get(key)?.revision ?? 0;
      if (ifRevision !== undefined && ifRevision !== actual) throw new RevisionConflict(key, ifRevision, actual);
    }
    const revision = this.#revision + 1;
    const time = this.#clock.now();
    const changes = writes.flatMap(({ key, value }) => this.#apply(key, value, { revision, time, cause }));
    if (changes.length > 0) this.#append(revision, changes);
    const entries = writes.map(({ key }) => this.#entries.get(key));
    if (changes.length > 0) this.#watchers.tell(changes);
    return { revision: changes.length > 0 ? revision : undefined, entries };
  }

  #apply(key: string, value: string | undefined, at: Pick<Change, "revision" | "time" | "cause">): readonly Change[] {
    const current = this.#entries.get(key);
    if (value === undefined && current === undefined) return [];
    const { revision, time } = at;
    const createTime = current?.createTime ?? time;
    if (value === undefined) this.#entries.delete(key);
    else this.#entries.set(key, { key, value, revision, createTime, updateTime: time });
    return [{ key, ...at, ...(value === undefined ? {} : { value }), ...previousOf(current), createTime }];
  }

  #append(revision: number, changes: readonly Change[]): void {
    this.#revision = revision;
    this.#journal.set(revision, changes);
    for (const change of changes) {
      const history = this.#histories.get(change.key);
      if (history === undefined) this.#histories.set(change.key, [change]);
      else history.push(change);
    }
    if (isStepDue(revision, this.#compacted, this.#keptChanges)) this.#forget(this.#compacted + COMPACTION_STEP);
  }

  #forget(throughRevision: number): void {
    while (this.#compacted < throughRevision) {
      this.#compacted += 1;
      const changes = this.#journal.get(this.#compacted) ?? [];
      this.#journal.delete(this.#compacted);
      for (const change of changes) this.#prune(change);
    }
  }

  #prune({ key, revision, value }: Change): void {
    const changes = this.#histories.get(key) ?? [];
    const old = changes.filter((change) => change.revision <= revision).length;
    // A delete that is forgotten takes the whole life with it that it ended.
    changes.splice(0, value === undefined ? old : Math.min(old, Math.max(0, changes.length - KEPT_CHANGES_PER_KEY)));
    if (changes.length === 0) this.#histories.delete(key);
  }

  #checkOpen(): void {
    if (this.#closed) throw storeClosed();
  }
}

function previousOf(current: Entry | undefined): { previous?: string } {
  return current === undefined ? {} : { previous: current.value };
}

function sizeOf({ value = "", previous = "" }: Change): number {
  return value.length + previous.length;
}
