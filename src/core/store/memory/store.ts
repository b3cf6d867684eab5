import type { Clock, Timer } from "../../../kernel/clock.ts";
import { type Answers, MemoryAnswers } from "../answers.ts";
import { checkBatch, checkKept, checkKey, checkLimit, checkRevision, checkValue, storeClosed } from "../checks.ts";
import { type DailyRecords, MemoryDaily } from "../daily.ts";
import { checkRetention, type RetentionOptions, SWEEP_MS } from "../retention.ts";
import {
  type BatchResult,
  type BatchWrite,
  type Cause,
  type Change,
  type ChangeListener,
  type ChangePage,
  type Entry,
  RevisionConflict,
  type Store,
  type Subscription,
  type WriteOptions,
} from "../store.ts";
import { Watchers } from "../watchers.ts";
import { Writability } from "../writability.ts";
import { MemoryJournal } from "./journal.ts";

export interface MemoryStoreOptions extends RetentionOptions {
  readonly clock: Clock;
  readonly incarnation: string;
}

/** Creates a store that exists only in this process: for tests, and for running without a data directory. */
export function createMemoryStore(options: MemoryStoreOptions): Store {
  return new MemoryStore(options);
}

/** A write happens after the call has returned, as with a disk. So tests meet the races that a durable store has. */
const LATER = Promise.resolve();

class MemoryStore implements Store {
  readonly writable = new Writability();
  readonly #clock: Clock;
  readonly #answers: MemoryAnswers;
  readonly #daily: MemoryDaily;
  readonly #entries = new Map<string, Entry>();
  readonly #journal: MemoryJournal;
  readonly #watchers = new Watchers();
  #incarnation: string;
  #sweep: Timer | undefined;
  #closed = false;

  constructor({ clock, incarnation, ...retention }: MemoryStoreOptions) {
    this.#incarnation = incarnation;
    this.#clock = clock;
    const checked = checkRetention(retention);
    this.#answers = new MemoryAnswers(clock, checked);
    this.#daily = new MemoryDaily(checked);
    this.#journal = new MemoryJournal(checked);
    this.#sweepLater();
  }

  get incarnation(): string {
    return this.#incarnation;
  }

  async reincarnate(): Promise<void> {
    this.#checkOpen();
    this.#incarnation += "+";
  }

  readonly answers: Answers = {
    find: (id) => {
      this.#checkOpen();
      return this.#answers.find(id);
    },
    put: async (id, answer, expires) => {
      this.#checkOpen();
      await LATER;
      await this.#answers.put(id, answer, expires);
    },
    forget: async (id) => {
      this.#checkOpen();
      await LATER;
      await this.#answers.forget(id);
    },
  };

  readonly daily: DailyRecords = {
    of: (key) => {
      this.#checkOpen();
      return this.#daily.of(key);
    },
    find: (day, key) => {
      this.#checkOpen();
      return this.#daily.find(day, key);
    },
    write: (writes) => {
      this.#checkOpen();
      return this.#daily.write(writes);
    },
  };

  async get(key: string): Promise<Entry | undefined> {
    this.#checkOpen();
    return this.#entries.get(key);
  }

  async list(prefix: string): Promise<{ readonly entries: readonly Entry[]; readonly revision: number }> {
    this.#checkOpen();
    const entries = [...this.#entries.values()].filter((entry) => entry.key.startsWith(prefix));
    return { entries: entries.sort((a, b) => (a.key < b.key ? -1 : 1)), revision: this.#journal.revision };
  }

  async scan(visit: (entry: Entry) => void): Promise<number> {
    this.#checkOpen();
    for (const entry of this.#entries.values()) visit(entry);
    return this.#journal.revision;
  }

  async put(key: string, value: string, { cause, ifRevision }: WriteOptions): Promise<Entry> {
    this.#checkOpen();
    checkKey(key);
    checkValue(value);
    const { entries } = await this.#write([{ key, value, ...(ifRevision === undefined ? {} : { ifRevision }) }], cause);
    const [entry] = entries;
    if (entry === undefined) throw new Error("put did not create an entry");
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
    checkKept(afterRevision, this.#journal.compacted, this.#journal.revision);
    return this.#journal.changes(prefix, afterRevision, limit);
  }

  async history(key: string, limit: number, beforeRevision = Number.POSITIVE_INFINITY): Promise<readonly Change[]> {
    this.#checkOpen();
    checkLimit(limit);
    return this.#journal.history(key, limit, beforeRevision);
  }

  async oldest(key: string): Promise<Change | undefined> {
    this.#checkOpen();
    return this.#journal.oldest(key);
  }

  async watch(afterRevision: number, listener: ChangeListener): Promise<Subscription> {
    this.#checkOpen();
    const check = (after: number): void => checkKept(after, this.#journal.compacted, this.#journal.revision);
    check(afterRevision);
    return this.#watchers.add(afterRevision, listener, (after) => {
      check(after);
      return after < this.#journal.revision ? [this.#journal.at(after + 1)] : [];
    });
  }

  async compact(throughRevision: number): Promise<void> {
    this.#checkOpen();
    checkRevision(throughRevision);
    this.#journal.compact(Math.min(throughRevision, this.#journal.revision));
  }

  async close(): Promise<void> {
    await LATER;
    this.#closed = true;
    this.#sweep?.cancel();
    this.#watchers.clear();
  }

  async #write(writes: readonly BatchWrite[], cause: Cause): Promise<BatchResult> {
    await LATER;
    for (const { key, ifRevision } of writes) {
      const actual = this.#entries.get(key)?.revision ?? 0;
      if (ifRevision !== undefined && ifRevision !== actual) throw new RevisionConflict(key, ifRevision, actual);
    }
    const revision = this.#journal.revision + 1;
    const time = this.#clock.now();
    const changes = writes.flatMap(({ key, value }) => this.#apply(key, value, { revision, time, cause }));
    const entries = writes.map(({ key }) => this.#entries.get(key));
    if (changes.length === 0) return { revision: undefined, entries };
    this.#journal.add(changes);
    this.#watchers.deliver(changes);
    return { revision, entries };
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

  #sweepLater(): void {
    this.#sweep = this.#clock.setTimer(SWEEP_MS, () => {
      this.#answers.sweep();
      this.#daily.sweep(this.#clock.now());
      this.#journal.sweep(this.#clock.now());
      this.#sweepLater();
    });
  }

  #checkOpen(): void {
    if (this.#closed) throw storeClosed();
  }
}

function previousOf(current: Entry | undefined): { previous?: string } {
  return current === undefined ? {} : { previous: current.value };
}
