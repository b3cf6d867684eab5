import type { Clock } from "../../../kernel/clock.ts";
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
import type { DailyRecords } from "../daily.ts";
import type { Retention } from "../retention.ts";
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
  type Writable,
  type WriteOptions,
} from "../store.ts";
import { Watchers } from "../watchers.ts";
import { SqliteAnswers } from "./answers.ts";
import { SqliteDaily } from "./daily.ts";
import type { SqlDatabase } from "./database.ts";
import { entryAfter, SqliteEntries } from "./entries.ts";
import { SqliteJournal } from "./journal.ts";
import * as sql from "./schema.ts";
import { Sweeper } from "./sweeper.ts";
import { Transactions } from "./transactions.ts";

export interface SqliteStoreDeps {
  readonly database: SqlDatabase;
  readonly clock: Clock;
  readonly retention: Retention;
  /** Runs a function soon, after the other writers of this turn of the event loop have asked for their writes. */
  readonly defer: (run: () => void) => void;
  /** Closes the database and unlocks the directory. */
  readonly release: () => void;
  /** Creates an incarnation. */
  readonly newId: () => string;
  /** Translates an error of the database into an error for the caller. */
  readonly explain: (error: unknown) => unknown;
}

/** Writes that share one transaction, so that others do not wait long; further ones come in the next. @limit writes */
const GROUP_LIMIT = 256;
/** Revisions of the journal that are read at once; then other work runs. @limit revisions */
const SCAN_LIMIT = 2_000;
/** Revisions that are compacted in one transaction. */
const COMPACTION_LIMIT = 500;

/** Writes that share one revision: all of them happen, or none. */
interface Unit {
  readonly writes: readonly BatchWrite[];
  readonly cause: Cause;
  /** Other data that is written in the same transaction. */
  readonly aside?: () => void;
  readonly resolve: (changes: readonly Change[]) => void;
  readonly reject: (error: unknown) => void;
}

type Verdict =
  | { readonly unit: Unit; readonly changes: readonly Change[] }
  | { readonly unit: Unit; readonly conflict: RevisionConflict };

/**
 * A store in a SQLite database that no other store has open. Writes of one turn of the event loop share a transaction, and
 * so wait for the disk only once. Each write still succeeds or fails on its own.
 */
export class SqliteStore implements Store {
  readonly writable: Writable;
  readonly answers: Answers;
  readonly daily: DailyRecords;
  readonly #deps: SqliteStoreDeps;
  readonly #entries: SqliteEntries;
  readonly #journal: SqliteJournal;
  readonly #transactions: Transactions;
  readonly #sweeper: Sweeper;
  readonly #watchers = new Watchers();
  readonly #waiting: Unit[] = [];
  #scheduled = false;
  #closed = false;
  #incarnation: string;

  constructor(deps: SqliteStoreDeps) {
    const { database, clock, retention } = deps;
    this.#deps = deps;
    const meta = database.prepare(sql.READ_META).get() as { readonly incarnation: string } | undefined;
    if (meta === undefined) throw new Error("the database has no row in table meta");
    this.#incarnation = meta.incarnation;
    this.#entries = new SqliteEntries(database);
    const journal = new SqliteJournal(database, retention);
    const answers = new SqliteAnswers(database, clock, retention);
    const daily = new SqliteDaily(database, retention);
    const transactions = new Transactions({ database, clock, journal, answers, daily });
    this.#journal = journal;
    this.#transactions = transactions;
    this.writable = transactions.writable;
    this.#sweeper = new Sweeper({
      database,
      clock,
      retention,
      journal,
      answers,
      daily,
      transactions,
      pause: () => this.#pause(),
    });
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
    this.daily = {
      of: (key) => {
        this.#checkOpen();
        return this.#reading(() => daily.of(key));
      },
      find: (day, key) => {
        this.#checkOpen();
        return this.#reading(() => daily.find(day, key));
      },
      write: (writes) => {
        this.#checkOpen();
        const early = transactions.run(() => daily.write(writes));
        transactions.succeeded();
        return early;
      },
    };
  }

  get incarnation(): string {
    return this.#incarnation;
  }

  async reincarnate(): Promise<void> {
    this.#checkOpen();
    const incarnation = this.#deps.newId();
    this.#transactions.run(() => this.#deps.database.prepare(sql.WRITE_INCARNATION).run(incarnation));
    this.#incarnation = incarnation;
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#checkOpen();
    return this.#reading(() => this.#entries.get(key));
  }

  async list(prefix: string): Promise<{ readonly entries: readonly Entry[]; readonly revision: number }> {
    this.#checkOpen();
    return { entries: this.#reading(() => this.#entries.list(prefix)), revision: this.#journal.revision };
  }

  async scan(visit: (entry: Entry) => void): Promise<number> {
    this.#checkOpen();
    this.#reading(() => this.#entries.scan(visit));
    return this.#journal.revision;
  }

  async put(key: string, value: string, options: WriteOptions): Promise<Entry> {
    checkKey(key);
    checkValue(value);
    const [change] = await this.#write([asWrite(key, value, options)], options.cause);
    const entry = change && entryAfter(change);
    if (entry === undefined) throw new Error("put did not make a change");
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
    // The reader will ask for the next page at once, so other work gets its turn first.
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
      this.#transactions.run(() => this.#journal.compact(target));
      await this.#pause();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    while (this.#waiting.length > 0) this.#flush();
    this.#closed = true;
    this.#transactions.close();
    this.#sweeper.close();
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

  /** Results are reported after the commit, because each may depend on an earlier write of the same group. */
  #flush(): void {
    const group = this.#takeGroup();
    if (group.length === 0) return;
    const verdicts: Verdict[] = [];
    let added = 0;
    try {
      this.#transactions.run(() => {
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
    if (added > 0 || group.some(({ aside }) => aside !== undefined)) this.#transactions.succeeded();
    for (const verdict of verdicts) {
      if ("changes" in verdict && verdict.changes.length > 0) this.#watchers.deliver(verdict.changes);
    }
    for (const verdict of verdicts) {
      if ("changes" in verdict) verdict.unit.resolve(verdict.changes);
      else verdict.unit.reject(verdict.conflict);
    }
  }

  /**
   * Returns the next units for one transaction: as many as have at most `GROUP_LIMIT` writes together, but at least one.
   */
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
      const actual = this.#entries.revisionOf(key);
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
      const current = this.#entries.get(key);
      if (value === undefined && current === undefined) return [];
      const createTime = current?.createTime ?? time;
      const previous = current?.value;
      const values = { ...(value === undefined ? {} : { value }), ...(previous === undefined ? {} : { previous }) };
      const change = { key, revision, ...values, time, createTime };
      this.#entries.apply(change);
      this.#journal.add(change, causeText);
      return { ...change, cause };
    });
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#deps.defer(resolve));
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

function asWrite(key: string, value: string | undefined, { ifRevision }: WriteOptions): BatchWrite {
  return { key, value, ...(ifRevision === undefined ? {} : { ifRevision }) };
}

/** The cause of writes that are not part of the state. */
const NO_CAUSE: Cause = { action: "None" };
