import {
  COMPACTION_STEP,
  changeSize,
  historyOf,
  isLong,
  KEPT_BYTES_PER_KEY,
  KEPT_CHANGES_PER_KEY,
  type Retention,
} from "../retention.ts";
import { type Cause, type Change, type ChangePage, MAX_PAGE_CHARS } from "../store.ts";
import { type Prepared, prepareAll, type SqlDatabase } from "./database.ts";
import * as sql from "./schema.ts";

/** Rows that one slice of a sweep reads. */
const SLICE = 200;
/** Size in bytes from which a new row is a reason to check the size of its key's whole history. */
const LARGE = KEPT_BYTES_PER_KEY / 128;

const STATEMENTS = {
  add: sql.ADD_CHANGE,
  list: sql.LIST_CHANGES,
  history: sql.LIST_HISTORY,
  oldestOf: sql.OLDEST_OF_KEY,
  oldest: sql.OLDEST,
  restOf: sql.REST_OF_REVISION,
  upTo: sql.UP_TO_REVISION,
  kept: sql.KEPT,
  next: sql.NEXT_OF_KEY,
  past: sql.PAST_BYTES,
  pruneKey: sql.PRUNE_KEY,
  pruneBefore: sql.PRUNE_BEFORE,
  pruneLife: sql.PRUNE_LIFE,
  drop: sql.DROP_CHANGE,
  writeCompacted: sql.WRITE_COMPACTED,
  writeKept: sql.WRITE_KEPT,
};

/** The position and sizes of the journal. A rolled-back transaction restores them. */
interface State {
  readonly revision: number;
  readonly seq: number;
  /** Bytes of all changes ever made. */
  readonly total: number;
  readonly compacted: number;
  readonly compactedSeq: number;
  readonly compactedTotal: number;
  /** Bytes of the changes that stayed after compactions, by the prefix of their history. */
  readonly kept: ReadonlyMap<string, number>;
}

/**
 * The changes in the database. All changes above the compacted revision form the journal. Up to that revision, each key
 * keeps a history. Methods that write must be called within a transaction.
 */
export class SqliteJournal {
  readonly #sql: Prepared<typeof STATEMENTS>;
  readonly #retention: Retention;
  /** By prefix: the oldest row that may still need trimming. */
  readonly #cursors = new Map<string, number>();
  #state: State;

  constructor(database: SqlDatabase, retention: Retention) {
    this.#retention = retention;
    this.#sql = prepareAll(database, STATEMENTS);
    const meta = database.prepare(sql.READ_META).get() as MetaRow;
    const kept = database.prepare(sql.READ_KEPT).all() as { readonly prefix: string; readonly bytes: number }[];
    this.#state = {
      revision: meta.revision,
      seq: Math.max(meta.seq ?? 0, meta.compacted_seq),
      total: Math.max(meta.total ?? 0, meta.compacted_total),
      compacted: meta.compacted,
      compactedSeq: meta.compacted_seq,
      compactedTotal: meta.compacted_total,
      kept: new Map(kept.map(({ prefix, bytes }) => [prefix, bytes])),
    };
  }

  get revision(): number {
    return this.#state.revision;
  }

  get compacted(): number {
    return this.#state.compacted;
  }

  save(): State {
    return this.#state;
  }

  restore(state: State): void {
    this.#state = state;
  }

  /** Adds a change. Its revision becomes the newest one. */
  add({ key, revision, time, createTime, value, previous }: Omit<Change, "cause">, cause: string): void {
    const size = changeSize(key, cause, value);
    const [seq, total] = [this.#state.seq + 1, this.#state.total + size];
    this.#sql.add.run(
      seq,
      revision,
      key,
      time,
      createTime,
      size,
      total,
      previous === undefined ? 0 : 1,
      cause,
      value ?? null,
    );
    this.#state = { ...this.#state, revision, seq, total };
  }

  /**
   * Returns whole revisions, up to `limit` changes or a page of values. If all changes were returned, `through` is `until`.
   */
  changes(prefix: string, after: number, until: number, limit: number): ChangePage {
    const changes: Change[] = [];
    let chars = 0;
    let through = after;
    for (const row of this.#sql.list.iterate(after, until, prefix) as Iterable<ChangeRow>) {
      const isFull = changes.length >= limit || chars >= MAX_PAGE_CHARS;
      if (isFull && row.revision !== through) return { changes, through };
      through = row.revision;
      chars += (row.value?.length ?? 0) + (row.previous?.length ?? 0);
      changes.push(toChange(row));
    }
    return { changes, through: until };
  }

  history(key: string, limit: number, beforeRevision: number): readonly Change[] {
    const isByAge = isLong(historyOf(key, this.#retention));
    // -1 includes every change: a history by age is not limited by number.
    const above = isByAge ? -1 : this.#state.compacted;
    const rows = this.#sql.history.all(key, beforeRevision, above, KEPT_CHANGES_PER_KEY, limit) as ChangeRow[];
    return rows.filter((row) => isByAge || isWhole(row)).map(toChange);
  }

  oldest(key: string): Change | undefined {
    const row = this.#sql.oldestOf.get(key) as ChangeRow | undefined;
    return row && toChange(row);
  }

  /**
   * Compacts a few steps if there are too many changes, or too many bytes. `added` is the number of changes that were just
   * added.
   */
  compactIfDue(added: number): void {
    const { keptChanges, keptBytes } = this.#retention;
    // More is removed than was added, so that a store with a lowered limit reaches it in time.
    for (let left = added + COMPACTION_STEP; left > 0; left -= COMPACTION_STEP) {
      const { seq, total, compactedSeq, compactedTotal } = this.#state;
      const isFull = seq - compactedSeq >= keptChanges + COMPACTION_STEP || total - compactedTotal > keptBytes;
      if (!isFull || !this.#compactStep(COMPACTION_STEP, () => true)) return;
    }
  }

  /** Compacts some of the changes made before that wall time in ms. Returns whether there may be more. */
  compactBefore(time: number): boolean {
    return this.#compactStep(SLICE, (row) => row.time < time);
  }

  /** Compacts the changes up to a revision. The histories of keys stay. */
  compact(throughRevision: number): void {
    const rows = this.#sql.upTo.all(this.#state.compactedSeq, throughRevision) as Row[];
    this.#forget(rows, throughRevision);
  }

  /** Trims histories that take too many bytes. Returns whether there may be more. */
  trim(): boolean {
    let more = false;
    for (const { prefix, maxBytes } of this.#retention.histories) {
      if ((this.#state.kept.get(prefix) ?? 0) > maxBytes) more = this.#trim(prefix, maxBytes) || more;
    }
    return more;
  }

  /**
   * Trims one slice of the histories by age, after `cursor`: deletes changes that were no longer in force when the stored
   * period began. Returns where the next slice begins, or undefined if this was the last one.
   */
  forgetOld(cursor: number, now: number): number | undefined {
    const { histories } = this.#retention;
    const longest = Math.max(...histories.filter(isLong).map(({ maxMs }) => now - maxMs));
    const rows = this.#sql.kept.all(cursor, this.#state.compactedSeq, SLICE) as Row[];
    for (const row of rows) {
      if (row.time >= longest) return undefined;
      const history = historyOf(row.key, this.#retention);
      if (!isLong(history) || row.time >= now - history.maxMs) continue;
      const next = this.#sql.next.get(row.key, row.revision) as { readonly time: number } | undefined;
      if (next === undefined ? row.deleted === 1 : next.time < now - history.maxMs) this.#drop(row, history.prefix);
    }
    this.#writeKept();
    return rows.length < SLICE ? undefined : rows.at(-1)?.seq;
  }

  /** Called at the beginning of a sweep. Changes that could not be trimmed in the last sweep may be trimmed now. */
  rewind(): void {
    this.#cursors.clear();
  }

  /**
   * Compacts one page of the oldest changes that `isOld` accepts, in whole revisions, but never the newest revision.
   * Returns whether the page was full.
   */
  #compactStep(limit: number, isOld: (row: Row) => boolean): boolean {
    const { compactedSeq, revision } = this.#state;
    const page = this.#sql.oldest.all(compactedSeq, revision, limit) as Row[];
    const end = page.findIndex((row) => !isOld(row));
    const rows = page.slice(0, end < 0 ? page.length : end);
    const last = rows.at(-1);
    if (last === undefined) return false;
    if (end < 0) rows.push(...(this.#sql.restOf.all(last.revision, last.seq) as Row[]));
    this.#forget(rows, last.revision);
    return end < 0 && page.length === limit;
  }

  #forget(rows: readonly Row[], compacted: number): void {
    const last = rows.at(-1);
    const compactedSeq = last?.seq ?? this.#state.compactedSeq;
    const compactedTotal = last?.total ?? this.#state.compactedTotal;
    this.#state = { ...this.#state, compacted, compactedSeq, compactedTotal };
    for (const row of rows) {
      const history = historyOf(row.key, this.#retention);
      this.#count(history.prefix, row.size);
      if (isLong(history)) continue;
      if (row.deleted === 1) this.#uncount("", this.#sql.pruneLife.all(row.key, row.revision));
      else this.#prune(row);
    }
    this.trim();
    this.#sql.writeCompacted.run(compacted, compactedSeq, compactedTotal);
    this.#writeKept();
  }

  #prune({ key, revision, size }: Row): void {
    this.#uncount("", this.#sql.pruneKey.all(key, revision, KEPT_CHANGES_PER_KEY));
    if (size < LARGE) return;
    const past = this.#sql.past.get(key, revision, KEPT_BYTES_PER_KEY) as { readonly revision: number } | undefined;
    if (past !== undefined) this.#uncount("", this.#sql.pruneBefore.all(key, past.revision));
  }

  #trim(prefix: string, maxBytes: number): boolean {
    const rows = this.#sql.kept.all(this.#cursors.get(prefix) ?? 0, this.#state.compactedSeq, SLICE) as Row[];
    for (const row of rows) {
      if ((this.#state.kept.get(prefix) ?? 0) <= maxBytes) return false;
      this.#cursors.set(prefix, row.seq);
      if (historyOf(row.key, this.#retention).prefix !== prefix) continue;
      const next = this.#sql.next.get(row.key, row.revision) as { readonly seq: number } | undefined;
      // The newest change is still needed: its value is what the key's next change replaced.
      if (next !== undefined && next.seq <= this.#state.compactedSeq) this.#drop(row, prefix);
    }
    return rows.length === SLICE;
  }

  #drop(row: Row, prefix: string): void {
    this.#sql.drop.run(row.seq);
    this.#count(prefix, -row.size);
  }

  #uncount(prefix: string, rows: readonly unknown[]): void {
    for (const { size } of rows as readonly { readonly size: number }[]) this.#count(prefix, -size);
  }

  #count(prefix: string, bytes: number): void {
    const kept = new Map(this.#state.kept);
    kept.set(prefix, (kept.get(prefix) ?? 0) + bytes);
    this.#state = { ...this.#state, kept };
  }

  #writeKept(): void {
    for (const [prefix, bytes] of this.#state.kept) this.#sql.writeKept.run(prefix, bytes);
  }
}

interface MetaRow {
  readonly revision: number;
  readonly compacted: number;
  readonly compacted_seq: number;
  readonly compacted_total: number;
  readonly seq: number | null;
  readonly total: number | null;
}

/** A change without its texts. */
interface Row {
  readonly seq: number;
  readonly revision: number;
  readonly key: string;
  readonly time: number;
  readonly size: number;
  readonly total: number;
  readonly deleted: number;
}

interface ChangeRow {
  readonly revision: number;
  readonly key: string;
  readonly time: number;
  readonly create_time: number;
  readonly cause: string;
  readonly value: string | null;
  readonly previous: string | null;
  readonly replaces: number;
}

/** Whether the value that the change replaced is stored too, or there was no such value. */
function isWhole({ previous, replaces }: ChangeRow): boolean {
  return previous !== null || replaces === 0;
}

function toChange(row: ChangeRow): Change {
  const { key, revision, value, previous, time, create_time, cause } = row;
  return {
    key,
    revision,
    ...(value === null ? {} : { value }),
    ...(previous === null || row.replaces === 0 ? {} : { previous }),
    ...(isWhole(row) ? {} : { previousUnknown: true as const }),
    time,
    createTime: create_time,
    cause: JSON.parse(cause) as Cause,
  };
}
