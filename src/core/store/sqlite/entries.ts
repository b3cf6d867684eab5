import type { Change, Entry } from "../store.ts";
import { type Prepared, prepareAll, type SqlDatabase, type SqlStatement } from "./database.ts";
import * as sql from "./schema.ts";

const STATEMENTS = {
  get: sql.GET_ENTRY,
  revisionOf: sql.REVISION_OF,
  list: sql.LIST_ENTRIES,
  put: sql.PUT_ENTRY,
  delete: sql.DELETE_ENTRY,
};

/** A row of `SCAN_ENTRIES`. */
type Columns = readonly [key: string, revision: number, createTime: number, updateTime: number, value: string];

interface EntryRow {
  readonly key: string;
  readonly revision: number;
  readonly create_time: number;
  readonly update_time: number;
  readonly value: string;
}

/** The current entries in the database. Methods that write must be called within a transaction. */
export class SqliteEntries {
  readonly #sql: Prepared<typeof STATEMENTS>;
  readonly #scan: SqlStatement;

  constructor(database: SqlDatabase) {
    this.#sql = prepareAll(database, STATEMENTS);
    this.#scan = database.prepare(sql.SCAN_ENTRIES);
    // Objects of rows take twice as long to create as arrays.
    this.#scan.setReturnArrays(true);
  }

  get(key: string): Entry | undefined {
    const row = this.#sql.get.get(key) as EntryRow | undefined;
    return row === undefined ? undefined : toEntry(row);
  }

  /** The revision of the last change of the entry. 0 if the entry does not exist. */
  revisionOf(key: string): number {
    return (this.#sql.revisionOf.get(key) as { readonly revision: number } | undefined)?.revision ?? 0;
  }

  /** The entries with that prefix, sorted by code units as in the other stores. SQLite itself sorts by code points. */
  list(prefix: string): readonly Entry[] {
    const entries = (this.#sql.list.all(prefix) as EntryRow[]).map(toEntry);
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Calls `visit` with every entry, in the order in which they are stored. */
  scan(visit: (entry: Entry) => void): void {
    for (const row of this.#scan.iterate()) {
      const [key, revision, createTime, updateTime, value] = row as Columns;
      visit({ key, value, revision, createTime, updateTime });
    }
  }

  /** Writes the state of the entry after the change. */
  apply({ key, revision, createTime, time, value }: Omit<Change, "cause">): void {
    if (value === undefined) this.#sql.delete.run(key);
    else this.#sql.put.run(key, revision, createTime, time, value);
  }
}

/** Returns the entry after the change. Undefined if the change deleted it. */
export function entryAfter({ key, value, revision, createTime, time }: Change): Entry | undefined {
  return value === undefined ? undefined : { key, value, revision, createTime, updateTime: time };
}

function toEntry({ key, value, revision, create_time, update_time }: EntryRow): Entry {
  return { key, value, revision, createTime: create_time, updateTime: update_time };
}
