import type { Clock } from "../clock.ts";
import { HeliosError, messageOf } from "../errors.ts";
import {
  COMPACTION_STEP,
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
  type Cause,
  type Change,
  type ChangePage,
  type Entry,
  KEPT_CHANGES_PER_KEY,
  RevisionConflict,
  type Store,
  type Subscription,
  type WriteOptions,
} from "./store.ts";
import { Watchers } from "./watchers.ts";

/** What the store needs of an open database; every call is synchronous. */
export interface SqlDatabase {
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): SqlStatement;
}

export interface SqlStatement {
  get(...values: (string | number | null)[]): unknown;
  all(...values: (string | number | null)[]): unknown[];
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
/** Revisions that are compacted in one transaction. */
const COMPACTION_LIMIT = 500;

/** `value` is undefined for a delete. */
interface Write {
  readonly key: string;
  readonly value: string | undefined;
  readonly options: WriteOptions;
  readonly resolve: (change: Change | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A store in a SQLite database that nobody else has open. Writes that are asked for in one turn of the event loop
 * share a transaction, and so one wait for the disk; each has its own verdict nevertheless.
 */
export class SqliteStore implements Store {
  readonly incarnation: string;
  readonly #deps: SqliteStoreDeps;
  readonly #sql: ReturnType<typeof prepareAll>;
  readonly #watchers = new Watchers();
  readonly #waiting: Write[] = [];
  #scheduled = false;
  #revision: number;
  #compacted: number;
  #closed = false;

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
    checkValue(value);
    const change = await this.#write(key, value, options);
    if (change === undefined) throw new Error("a put always makes a change");
    return { key, value, revision: change.revision, createTime: change.createTime, updateTime: change.time };
  }

  async delete(key: string, options: WriteOptions): Promise<number | undefined> {
    return (await this.#write(key, undefined, options))?.revision;
  }

  async changes(prefix: string, afterRevision: number, limit: number): Promise<ChangePage> {
    this.#checkOpen();
    checkLimit(limit);
    checkKept(afterRevision, this.#compacted, this.#revision);
    const until = Math.min(this.#revision, afterRevision + Math.max(limit, SCAN_LIMIT));
    const changes = this.#changes(prefix, afterRevision, until, limit);
    const last = changes.at(-1);
    if (last !== undefined && changes.length === limit) return { changes, through: last.revision };
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

  async watch(afterRevision: number, listener: (change: Change) => void): Promise<Subscription> {
    this.#checkOpen();
    checkKept(afterRevision, this.#compacted, this.#revision);
    return this.#watchers.add(afterRevision, listener, (after) => this.#changes("", after, this.#revision, SCAN_LIMIT));
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
    this.#watchers.clear();
    this.#deps.release();
  }

  async #write(key: string, value: string | undefined, options: WriteOptions): Promise<Change | undefined> {
    this.#checkOpen();
    checkKey(key);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, value, options, resolve, reject });
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
    const group = this.#waiting.splice(0, GROUP_LIMIT);
    if (group.length === 0) return;
    let revision = this.#revision;
    let compacted = this.#compacted;
    const verdicts: { write: Write; change?: Change | undefined; conflict?: RevisionConflict }[] = [];
    try {
      this.#transaction(() => {
        for (const write of group) {
          const current = this.#read(write.key);
          const actual = current?.revision ?? 0;
          const { ifRevision } = write.options;
          if (ifRevision !== undefined && ifRevision !== actual) {
            verdicts.push({ write, conflict: new RevisionConflict(write.key, ifRevision, actual) });
            continue;
          }
          const change = this.#apply(write, current, revision + 1);
          verdicts.push({ write, change });
          if (change === undefined) continue;
          revision = change.revision;
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
    for (const { change } of verdicts) if (change !== undefined) this.#watchers.tell(change);
    for (const { write, change, conflict } of verdicts) {
      if (conflict === undefined) write.resolve(change);
      else write.reject(conflict);
    }
  }

  #apply({ key, value, options }: Write, current: Entry | undefined, revision: number): Change | undefined {
    if (value === undefined && current === undefined) return undefined;
    const time = this.#deps.clock.now();
    const createTime = current?.createTime ?? time;
    const previous = current?.value;
    if (value === undefined) this.#sql.deleteEntry.run(key);
    else this.#sql.putEntry.run(key, revision, createTime, time, value);
    this.#sql.addChange.run(revision, key, time, createTime, JSON.stringify(options.cause), value ?? null);
    return {
      key,
      revision,
      ...(value === undefined ? {} : { value }),
      ...(previous === undefined ? {} : { previous }),
      time,
      createTime,
      cause: options.cause,
    };
  }

  /** Within a transaction; the new compacted revision. */
  #forget(compacted: number, throughRevision: number): number {
    for (let revision = compacted + 1; revision <= throughRevision; revision++) {
      const row = this.#sql.changeAt.get(revision) as { readonly key: string; readonly deleted: number } | undefined;
      if (row === undefined) continue;
      if (row.deleted === 1) this.#sql.pruneLife.run(row.key, revision);
      else this.#sql.pruneKey.run(row.key, revision, KEPT_CHANGES_PER_KEY);
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
      return result;
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw HeliosError.of("STORE_UNAVAILABLE", { problem: messageOf(error) }, { cause: error });
    }
  }

  #read(key: string): Entry | undefined {
    const row = this.#sql.getEntry.get(key) as EntryRow | undefined;
    return row === undefined ? undefined : toEntry(row);
  }

  #changes(prefix: string, after: number, until: number, limit: number): readonly Change[] {
    return (this.#sql.listChanges.all(after, until, prefix, limit) as ChangeRow[]).map(toChange);
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
    changeAt: database.prepare(sql.CHANGE_AT),
    pruneKey: database.prepare(sql.PRUNE_KEY),
    pruneLife: database.prepare(sql.PRUNE_LIFE),
    writeCompacted: database.prepare(sql.WRITE_COMPACTED),
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
