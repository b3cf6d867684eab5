import type { Clock, Timer } from "../../../kernel/clock.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import type { Answers } from "../answers.ts";
import {
  byRevision,
  checkBatch,
  checkKept,
  checkKey,
  checkLimit,
  checkRevision,
  checkValue,
  storeClosed,
} from "../checks.ts";
import { type Retention, SWEEP_MS } from "../retention.ts";
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
import { SqliteAnswers } from "./answers.ts";
import type { SqlDatabase } from "./database.ts";
import { SqliteJournal } from "./journal.ts";
import * as sql from "./schema.ts";

export interface SqliteStoreDeps {
  readonly database: SqlDatabase;
  readonly clock: Clock;
  readonly retention: Retention;
  /** Runs something soon, when whoever is about to write in this turn of the event loop has asked for it. */
  readonly defer: (run: () => void) => void;
  /** Closes the database and gives the directory free. */
  readonly release: () => void;
  /** Makes an incarnation. */
  readonly newId: () => string;
  /** What an error of the database means to a reader. */
  readonly explain: (error: unknown) => unknown;
}

/** Writes that share one transaction, so that others do not wait long; further ones come in the next. @limit writes */
const GROUP_LIMIT = 256;
/** Revisions of the journal that are read at once; then other work runs. @limit revisions */
const SCAN_LIMIT = 2_000;
/** How often a store that refuses writes (`STORE_UNAVAILABLE`) tries whether it can write again. @limit ms */
const PROBE_MS = 5_000;
/** Free space that the disk must have before a store that refused writes accepts them again. @limit bytes */
const PROBE_BYTES = 64 * 1024;
/** So soon after the start the first sweep is made, in ms. */
const FIRST_SWEEP_MS = 2_000;
/** Free pages that a database may have before they are given back to the disk, so many at a time. */
const FREE_PAGES = 2_048;
const VACUUM_PAGES = 128;
/** Revisions that are compacted in one transaction. */
const COMPACTION_LIMIT = 500;

/** Writes that happen at one revision, or not at all. */
interface Unit {
  readonly writes: readonly BatchWrite[];
  readonly cause: Cause;
  /** What else is written with them. */
  readonly aside?: () => void;
  readonly resolve: (changes: readonly Change[]) => void;
  readonly reject: (error: unknown) => void;
}

type Verdict =
  | { readonly unit: Unit; readonly changes: readonly Change[] }
  | { readonly unit: Unit; readonly conflict: RevisionConflict };

/**
 * A store in a SQLite database that nobody else has open. Writes that are asked for in one turn of the event loop
 * share a transaction, and so one wait for the disk; each has its own verdict nevertheless.
 */
export class SqliteStore implements Store {
  readonly writable = new Writability();
  readonly answers: Answers;
  readonly #deps: SqliteStoreDeps;
  readonly #sql: ReturnType<typeof prepareAll>;
  readonly #journal: SqliteJournal;
  readonly #answers: SqliteAnswers;
  readonly #watchers = new Watchers();
  readonly #waiting: Unit[] = [];
  #scheduled = false;
  #closed = false;
  #incarnation: string;
  /** Of the database as this store left it: another program that writes to it changes that. */
  #dataVersion: number;
  #probe: Timer | undefined;
  #sweep: Timer | undefined;

  constructor(deps: SqliteStoreDeps) {
    this.#deps = deps;
    this.#sql = prepareAll(deps.database);
    const meta = deps.database.prepare(sql.READ_META).get() as { readonly incarnation: string } | undefined;
    if (meta === undefined) throw new Error("it has no identity");
    this.#incarnation = meta.incarnation;
    this.#dataVersion = this.#readDataVersion();
    this.#journal = new SqliteJournal(deps.database, deps.retention);
    const answers = new SqliteAnswers(deps.database, deps.clock, deps.retention);
    this.#answers = answers;
    this.answers = {
      find: (id) => {
        this.#checkOpen();
        return this.#reading(() => answers.find(id));
      },
      put: async (id, answer, expires) => {
        if (answer.note !== undefined) answers.checkRoom(id);
        await this.#write([], NO_CAUSE, () => answers.write(id, answer, expires));
      },
      forget: async (id) => {
        await this.#write([], NO_CAUSE, () => answers.forget(id));
      },
    };
    this.#sweepIn(FIRST_SWEEP_MS);
  }

  get incarnation(): string {
    return this.#incarnation;
  }

  async reincarnate(): Promise<void> {
    this.#checkOpen();
    const incarnation = this.#deps.newId();
    this.#transaction(() => this.#sql.writeIncarnation.run(incarnation));
    this.#incarnation = incarnation;
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#checkOpen();
    return this.#reading(() => this.#read(key));
  }

  async list(prefix: string): Promise<{ readonly entries: readonly Entry[]; readonly revision: number }> {
    this.#checkOpen();
    const entries = this.#reading(() => (this.#sql.listEntries.all(prefix) as EntryRow[]).map(toEntry));
    // SQLite would order by code point, the language (and the other stores) by code unit.
    return { entries: entries.sort((a, b) => (a.key < b.key ? -1 : 1)), revision: this.#journal.revision };
  }

  async put(key: string, value: string, options: WriteOptions): Promise<Entry> {
    checkKey(key);
    checkValue(value);
    const [change] = await this.#write([asWrite(key, value, options)], options.cause);
    const entry = change && entryAfter(change);
    if (entry === undefined) throw new Error("a put always makes a change");
    return entry;
  }

  async delete(key: string, options: WriteOptions): Promise<number | undefined> {
    checkKey(key);
    return (await this.#write([asWrite(key, undefined, options)], options.cause))[0]?.revision;
  }

  async batch(writes: readonly BatchWrite[], cause: Cause): Promise<BatchResult> {
    checkBatch(writes);
    const changes = await this.#write(writes, cause);
    const after = new Map(changes.map((change) => [change.key, entryAfter(change)]));
    return { revision: changes[0]?.revision, entries: writes.map(({ key }) => after.get(key)) };
  }

  async changes(prefix: string, afterRevision: number, limit: number): Promise<ChangePage> {
    this.#checkOpen();
    checkLimit(limit);
    const { compacted, revision } = this.#journal;
    checkKept(afterRevision, compacted, revision);
    const until = Math.min(revision, afterRevision + Math.max(limit, SCAN_LIMIT));
    const page = this.#reading(() => this.#journal.changes(prefix, afterRevision, until, limit));
    // Others get their turn before the reader, who will ask for more, gets it again.
    if (page.through === until && until < revision) await this.#pause();
    return page;
  }

  async history(key: string, limit: number, beforeRevision?: number): Promise<readonly Change[]> {
    this.#checkOpen();
    checkLimit(limit);
    return this.#reading(() => this.#journal.history(key, limit, beforeRevision ?? Number.MAX_SAFE_INTEGER));
  }

  async oldest(key: string): Promise<Change | undefined> {
    this.#checkOpen();
    return this.#reading(() => this.#journal.oldest(key));
  }

  async watch(afterRevision: number, listener: ChangeListener): Promise<Subscription> {
    this.#checkOpen();
    checkKept(afterRevision, this.#journal.compacted, this.#journal.revision);
    return this.#watchers.add(afterRevision, listener, (after) =>
      this.#reading(() => byRevision(this.#journal.changes("", after, this.#journal.revision, SCAN_LIMIT).changes)),
    );
  }

  async compact(throughRevision: number): Promise<void> {
    this.#checkOpen();
    checkRevision(throughRevision);
    for (;;) {
      this.#checkOpen();
      const { compacted, revision } = this.#journal;
      const target = Math.min(throughRevision, revision, compacted + COMPACTION_LIMIT);
      if (target <= compacted) return;
      this.#transaction(() => this.#journal.compact(target));
      await this.#pause();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    while (this.#waiting.length > 0) this.#flush();
    this.#closed = true;
    this.#probe?.cancel();
    this.#sweep?.cancel();
    this.#watchers.clear();
    this.#deps.release();
  }

  async #write(writes: readonly BatchWrite[], cause: Cause, aside?: () => void): Promise<readonly Change[]> {
    this.#checkOpen();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ writes, cause, resolve, reject, ...(aside === undefined ? {} : { aside }) });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#deps.defer(() => {
      this.#scheduled = false;
      this.#flush();
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  /** No verdict is told before the commit: it may rest on a write of the same group. */
  #flush(): void {
    const group = this.#takeGroup();
    if (group.length === 0) return;
    const verdicts: Verdict[] = [];
    let added = 0;
    try {
      this.#transaction(() => {
        for (const unit of group) {
          const conflict = this.#conflictOf(unit);
          const changes = conflict === undefined ? this.#apply(unit) : [];
          added += changes.length;
          verdicts.push(conflict === undefined ? { unit, changes } : { unit, conflict });
        }
        this.#journal.compactIfDue(added);
      });
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    // A transaction that wrote nothing proves nothing.
    if (added > 0 || group.some(({ aside }) => aside !== undefined)) this.#proved();
    for (const verdict of verdicts) {
      if ("changes" in verdict && verdict.changes.length > 0) this.#watchers.tell(verdict.changes);
    }
    for (const verdict of verdicts) {
      if ("changes" in verdict) verdict.unit.resolve(verdict.changes);
      else verdict.unit.reject(verdict.conflict);
    }
  }

  /** The next units to share a transaction: one, or as many as have no more than `GROUP_LIMIT` writes together. */
  #takeGroup(): readonly Unit[] {
    let writes = 0;
    const end = this.#waiting.findIndex((unit) => {
      writes += Math.max(1, unit.writes.length);
      return writes > GROUP_LIMIT;
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : Math.max(1, end));
  }

  #conflictOf({ writes }: Unit): RevisionConflict | undefined {
    for (const { key, ifRevision } of writes) {
      if (ifRevision === undefined) continue;
      const actual = (this.#sql.revisionOf.get(key) as { readonly revision: number } | undefined)?.revision ?? 0;
      if (ifRevision !== actual) return new RevisionConflict(key, ifRevision, actual);
    }
    return undefined;
  }

  #apply({ writes, cause, aside }: Unit): readonly Change[] {
    aside?.();
    const revision = this.#journal.revision + 1;
    const time = this.#deps.clock.now();
    const causeText = JSON.stringify(cause);
    return writes.flatMap(({ key, value }) => {
      const current = this.#read(key);
      if (value === undefined && current === undefined) return [];
      const createTime = current?.createTime ?? time;
      const previous = current?.value;
      if (value === undefined) this.#sql.deleteEntry.run(key);
      else this.#sql.putEntry.run(key, revision, createTime, time, value);
      const values = { ...(value === undefined ? {} : { value }), ...(previous === undefined ? {} : { previous }) };
      const change = { key, revision, ...values, time, createTime };
      this.#journal.add(change, causeText);
      return { ...change, cause };
    });
  }

  #sweepIn(delayMs: number): void {
    this.#sweep = this.#deps.clock.setTimer(delayMs, () => {
      this.#sweepAll()
        // What could not be forgotten now is by the next sweep; that the disk takes no writes has been noted.
        .catch(() => {})
        .then(() => {
          if (!this.#closed) this.#sweepIn(SWEEP_MS);
        });
    });
  }

  /** Forgets what is too old or too much, and gives free pages back, a little at a time. */
  async #sweepAll(): Promise<void> {
    const { clock, retention } = this.#deps;
    this.#journal.rewind();
    await this.#inSlices(() => this.#answers.sweep());
    await this.#inSlices(() => this.#journal.compactBefore(clock.now() - retention.keptMs));
    await this.#inSlices(() => this.#journal.trim());
    let cursor: number | undefined = 0;
    await this.#inSlices(() => {
      cursor = this.#journal.forgetOld(cursor ?? 0, clock.now());
      return cursor !== undefined;
    });
    await this.#giveBack();
  }

  /** Runs a transaction again and again while it says that there is more; others get their turn in between. */
  async #inSlices(run: () => boolean): Promise<void> {
    while (!this.#closed && this.#transaction(run)) await this.#pause();
  }

  async #giveBack(): Promise<void> {
    const freePages = (): number => (this.#sql.freePages.get() as { readonly freelist_count: number }).freelist_count;
    let before = Number.POSITIVE_INFINITY;
    while (!this.#closed && freePages() > FREE_PAGES && freePages() < before) {
      before = freePages();
      this.#deps.database.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
      await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#deps.defer(resolve));
  }

  #transaction<T>(run: () => T): T {
    const { database } = this.#deps;
    const before = this.#journal.save();
    try {
      database.exec("BEGIN IMMEDIATE");
      this.#checkAlone();
      const result = run();
      database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#undo();
      this.#journal.restore(before);
      this.writable.failed(messageOf(error), this.#deps.clock.now());
      this.#tryLater();
      throw HeliosError.of("STORE_UNAVAILABLE", { problem: messageOf(error) }, { cause: error });
    }
  }

  /** What another program writes would be overwritten, or taken for what it is not: nothing more is written then. */
  #checkAlone(): void {
    const version = this.#readDataVersion();
    if (version === this.#dataVersion) return;
    const { revision } = this.#sql.head.get() as { readonly revision: number };
    if (revision !== this.#journal.revision) throw new Error("another program has written to it: start Helios anew");
    this.#dataVersion = version;
  }

  #readDataVersion(): number {
    return (this.#sql.dataVersion.get() as { readonly data_version: number }).data_version;
  }

  #proved(): void {
    this.#probe?.cancel();
    this.writable.succeeded();
  }

  /** A transaction that cannot even be rolled back is so by the next one that begins. */
  #undo(): void {
    const { database } = this.#deps;
    try {
      if (database.isTransaction) database.exec("ROLLBACK");
      this.#answers.reload();
    } catch {
      // What is told is why the write failed.
    }
  }

  #tryLater(): void {
    this.#probe?.cancel();
    this.#probe = this.#deps.clock.setTimer(PROBE_MS, () => {
      try {
        this.#transaction(() => this.#sql.fillProbe.run(PROBE_BYTES));
        this.#proved();
        this.#transaction(() => this.#sql.emptyProbe.run());
      } catch {
        // It has been noted, and is tried again.
      }
    });
  }

  #read(key: string): Entry | undefined {
    const row = this.#sql.getEntry.get(key) as EntryRow | undefined;
    return row === undefined ? undefined : toEntry(row);
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.#deps.explain(error);
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw storeClosed();
  }
}

function prepareAll(database: SqlDatabase) {
  return {
    getEntry: database.prepare(sql.GET_ENTRY),
    revisionOf: database.prepare(sql.REVISION_OF),
    listEntries: database.prepare(sql.LIST_ENTRIES),
    putEntry: database.prepare(sql.PUT_ENTRY),
    deleteEntry: database.prepare(sql.DELETE_ENTRY),
    writeIncarnation: database.prepare(sql.WRITE_INCARNATION),
    head: database.prepare(sql.READ_META),
    dataVersion: database.prepare("PRAGMA data_version"),
    freePages: database.prepare("PRAGMA freelist_count"),
    fillProbe: database.prepare(sql.FILL_PROBE),
    emptyProbe: database.prepare(sql.EMPTY_PROBE),
  };
}

interface EntryRow {
  readonly key: string;
  readonly revision: number;
  readonly create_time: number;
  readonly update_time: number;
  readonly value: string;
}

function asWrite(key: string, value: string | undefined, { ifRevision }: WriteOptions): BatchWrite {
  return { key, value, ...(ifRevision === undefined ? {} : { ifRevision }) };
}

function entryAfter({ key, value, revision, createTime, time }: Change): Entry | undefined {
  return value === undefined ? undefined : { key, value, revision, createTime, updateTime: time };
}

function toEntry({ key, value, revision, create_time, update_time }: EntryRow): Entry {
  return { key, value, revision, createTime: create_time, updateTime: update_time };
}

/** Of what is written beside the state. */
const NO_CAUSE: Cause = { action: "None" };
