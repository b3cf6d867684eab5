import type { Clock, Timer } from "../clock.ts";
import { HeliosError, messageOf } from "../errors.ts";
import {
  byRevision,
  COMPACTION_STEP,
  checkBatch,
  checkKept,
  checkKey,
  checkLimit,
  checkRevision,
  checkValue,
  isStepDue,
  storeClosed,
} from "./checks.ts";
import * as sql from "./sqlite-schema.ts";
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

/** What the store needs of an open database; every call is synchronous. */
export interface SqlDatabase {
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): SqlStatement;
}

export interface SqlStatement {
  get(...values: (string | number | null)[]): unknown;
  all(...values: (string | number | null)[]): unknown[];
  iterate(...values: (string | number | null)[]): Iterable<unknown>;
  run(...values: (string | number | null)[]): unknown;
}

export interface SqliteStoreDeps {
  readonly database: SqlDatabase;
  readonly clock: Clock;
  readonly keptChanges: number;
  /** Runs something soon, when whoever is about to write in this turn of the event loop has asked for it. */
  readonly defer: (run: () => void) => void;
  /** Closes the database and gives the directory free. */
  readonly release: () => void;
}

/** Writes that share one transaction at most, so that a burst does not hold up everything else for long. */
const GROUP_LIMIT = 256;
/** Revisions that one call of `changes` looks through at most when few of them are below the prefix; a few ms. */
const SCAN_LIMIT = 2_000;
/** How often a store that refuses writes is tried, so that it says when it takes them again. */
const PROBE_MS = 5_000;
/** So much is written to try it: with less room than this the disk is still as good as full. */
const PROBE_BYTES = 64 * 1024;
/** Revisions that are compacted in one transaction. */
const COMPACTION_LIMIT = 500;

/** Writes that happen at one revision, or not at all. */
interface Unit {
  readonly writes: readonly BatchWrite[];
  readonly cause: Cause;
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
  readonly incarnation: string;
  readonly writable = new Writability();
  readonly #deps: SqliteStoreDeps;
  readonly #sql: ReturnType<typeof prepareAll>;
  readonly #watchers = new Watchers();
  readonly #waiting: Unit[] = [];
  #scheduled = false;
  #revision: number;
  #compacted: number;
  #closed = false;
  #probe: Timer | undefined;

  constructor(deps: SqliteStoreDeps) {
    this.#deps = deps;
    this.#sql = prepareAll(deps.database);
    const meta = deps.database.prepare(sql.READ_META).get() as MetaRow | undefined;
    if (meta === undefined) throw new Error("it has no identity");
    this.incarnation = meta.incarnation;
    this.#revision = meta.revision;
    this.#compacted = meta.compacted;
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#checkOpen();
    return this.#read(key);
  }

  async list(prefix: string): Promise<{ readonly entries: readonly Entry[]; readonly revision: number }> {
    this.#checkOpen();
    const entries = (this.#sql.listEntries.all(prefix) as EntryRow[]).map(toEntry);
    // SQLite would order by code point, the language (and the other stores) by code unit.
    return { entries: entries.sort((a, b) => (a.key < b.key ? -1 : 1)), revision: this.#revision };
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
    checkKept(afterRevision, this.#compacted, this.#revision);
    const until = Math.min(this.#revision, afterRevision + Math.max(limit, SCAN_LIMIT));
    const { changes, through } = this.#changes(prefix, afterRevision, until, limit);
    if (through < until) return { changes, through };
    // Others get their turn before the reader, who will ask for more, gets it again.
    if (until < this.#revision) await new Promise<void>((resolve) => this.#deps.defer(resolve));
    return { changes, through: until };
  }

  async history(key: string, limit: number, beforeRevision?: number): Promise<readonly Change[]> {
    this.#checkOpen();
    checkLimit(limit);
    const before = beforeRevision ?? Number.MAX_SAFE_INTEGER;
    const rows = this.#sql.listHistory.all(key, before, this.#compacted, KEPT_CHANGES_PER_KEY, limit);
    return (rows as ChangeRow[]).map(toChange);
  }

  async watch(afterRevision: number, listener: ChangeListener): Promise<Subscription> {
    this.#checkOpen();
    checkKept(afterRevision, this.#compacted, this.#revision);
    return this.#watchers.add(afterRevision, listener, (after) =>
      byRevision(this.#changes("", after, this.#revision, SCAN_LIMIT).changes),
    );
  }

  async compact(throughRevision: number): Promise<void> {
    this.#checkOpen();
    checkRevision(throughRevision);
    for (;;) {
      this.#checkOpen();
      const target = Math.min(throughRevision, this.#revision, this.#compacted + COMPACTION_LIMIT);
      if (target <= this.#compacted) return;
      this.#compacted = this.#transaction(() => this.#forget(this.#compacted, target));
      await new Promise<void>((resolve) => this.#deps.defer(resolve));
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    while (this.#waiting.length > 0) this.#flush();
    this.#closed = true;
    this.#probe?.cancel();
    this.#watchers.clear();
    this.#deps.release();
  }

  async #write(writes: readonly BatchWrite[], cause: Cause): Promise<readonly Change[]> {
    this.#checkOpen();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ writes, cause, resolve, reject });
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
    let revision = this.#revision;
    let compacted = this.#compacted;
    const verdicts: Verdict[] = [];
    try {
      this.#transaction(() => {
        for (const unit of group) {
          const conflict = this.#conflictOf(unit);
          if (conflict !== undefined) {
            verdicts.push({ unit, conflict });
            continue;
          }
          const changes = this.#apply(unit, revision + 1);
          verdicts.push({ unit, changes });
          if (changes.length === 0) continue;
          revision += 1;
          if (isStepDue(revision, compacted, this.#deps.keptChanges)) {
            compacted = this.#forget(compacted, compacted + COMPACTION_STEP);
          }
        }
      });
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    this.#revision = revision;
    this.#compacted = compacted;
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
      writes += unit.writes.length;
      return writes > GROUP_LIMIT;
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : Math.max(1, end));
  }

  #conflictOf({ writes }: Unit): RevisionConflict | undefined {
    for (const { key, ifRevision } of writes) {
      if (ifRevision === undefined) continue;
      const actual = this.#read(key)?.revision ?? 0;
      if (ifRevision !== actual) return new RevisionConflict(key, ifRevision, actual);
    }
    return undefined;
  }

  #apply({ writes, cause }: Unit, revision: number): readonly Change[] {
    const time = this.#deps.clock.now();
    const causeText = JSON.stringify(cause);
    return writes.flatMap(({ key, value }) => {
      const current = this.#read(key);
      if (value === undefined && current === undefined) return [];
      const createTime = current?.createTime ?? time;
      const previous = current?.value;
      if (value === undefined) this.#sql.deleteEntry.run(key);
      else this.#sql.putEntry.run(key, revision, createTime, time, value);
      this.#sql.addChange.run(revision, key, time, createTime, causeText, value ?? null);
      return {
        key,
        revision,
        ...(value === undefined ? {} : { value }),
        ...(previous === undefined ? {} : { previous }),
        time,
        createTime,
        cause,
      };
    });
  }

  /** Within a transaction; the new compacted revision. */
  #forget(compacted: number, throughRevision: number): number {
    for (let revision = compacted + 1; revision <= throughRevision; revision++) {
      const rows = this.#sql.changesAt.all(revision) as { readonly key: string; readonly deleted: number }[];
      for (const { key, deleted } of rows) {
        if (deleted === 1) this.#sql.pruneLife.run(key, revision);
        else this.#sql.pruneKey.run(key, revision, KEPT_CHANGES_PER_KEY);
      }
    }
    this.#sql.writeCompacted.run(throughRevision);
    return throughRevision;
  }

  #transaction<T>(run: () => T): T {
    const { database } = this.#deps;
    try {
      database.exec("BEGIN IMMEDIATE");
      const result = run();
      database.exec("COMMIT");
      this.#probe?.cancel();
      this.writable.succeeded();
      return result;
    } catch (error) {
      this.#undo();
      this.writable.failed(messageOf(error), this.#deps.clock.now());
      this.#tryLater();
      throw HeliosError.of("STORE_UNAVAILABLE", { problem: messageOf(error) }, { cause: error });
    }
  }

  /** A transaction that cannot even be rolled back is so by the next one that begins. */
  #undo(): void {
    const { database } = this.#deps;
    try {
      if (database.isTransaction) database.exec("ROLLBACK");
    } catch {
      // What is told is why the write failed.
    }
  }

  #tryLater(): void {
    this.#probe?.cancel();
    this.#probe = this.#deps.clock.setTimer(PROBE_MS, () => {
      try {
        this.#transaction(() => this.#sql.fillProbe.run(PROBE_BYTES));
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

  /** Whole revisions, until there are `limit` changes or a page of values; `through` is `until` where all were told. */
  #changes(prefix: string, after: number, until: number, limit: number): ChangePage {
    const changes: Change[] = [];
    let chars = 0;
    let through = after;
    for (const row of this.#sql.listChanges.iterate(after, until, prefix) as Iterable<ChangeRow>) {
      const isFull = changes.length >= limit || chars >= MAX_PAGE_CHARS;
      if (isFull && row.revision !== through) return { changes, through };
      through = row.revision;
      chars += (row.value?.length ?? 0) + (row.previous?.length ?? 0);
      changes.push(toChange(row));
    }
    return { changes, through: until };
  }

  #checkOpen(): void {
    if (this.#closed) throw storeClosed();
  }
}

function prepareAll(database: SqlDatabase) {
  return {
    getEntry: database.prepare(sql.GET_ENTRY),
    listEntries: database.prepare(sql.LIST_ENTRIES),
    putEntry: database.prepare(sql.PUT_ENTRY),
    deleteEntry: database.prepare(sql.DELETE_ENTRY),
    addChange: database.prepare(sql.ADD_CHANGE),
    listChanges: database.prepare(sql.LIST_CHANGES),
    listHistory: database.prepare(sql.LIST_HISTORY),
    changesAt: database.prepare(sql.CHANGES_AT),
    pruneKey: database.prepare(sql.PRUNE_KEY),
    pruneLife: database.prepare(sql.PRUNE_LIFE),
    writeCompacted: database.prepare(sql.WRITE_COMPACTED),
    fillProbe: database.prepare(sql.FILL_PROBE),
    emptyProbe: database.prepare(sql.EMPTY_PROBE),
  };
}

interface MetaRow {
  readonly incarnation: string;
  readonly compacted: number;
  readonly revision: number;
}

interface EntryRow {
  readonly key: string;
  readonly revision: number;
  readonly create_time: number;
  readonly update_time: number;
  readonly value: string;
}

interface ChangeRow {
  readonly revision: number;
  readonly key: string;
  readonly time: number;
  readonly create_time: number;
  readonly cause: string;
  readonly value: string | null;
  readonly previous: string | null;
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

function toChange({ key, revision, value, previous, time, create_time, cause }: ChangeRow): Change {
  return {
    key,
    revision,
    ...(value === null ? {} : { value }),
    ...(previous === null ? {} : { previous }),
    time,
    createTime: create_time,
    cause: JSON.parse(cause) as Cause,
  };
}
