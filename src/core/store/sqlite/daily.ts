import {
  type DailyLimits,
  type DailyRecord,
  type DailyRecords,
  type DailyWrite,
  dailySize,
  MAX_DAILY_BYTES_ON_DISK,
  oldestKeptDay,
} from "../daily.ts";
import { type Prepared, prepareAll, type SqlDatabase } from "./database.ts";

/** Records that are deleted in one step. */
const SWEEP_LIMIT = 500;

const STATEMENTS = {
  bytes: "SELECT bytes FROM daily_size",
  writeBytes: "UPDATE daily_size SET bytes = ?",
  nextDay: "SELECT min(day) AS day FROM daily WHERE day > ?",
  // One search for each day, without a call of the database for each.
  of: `
    SELECT daily.day, daily.value FROM json_each(?) AS given
    CROSS JOIN daily ON daily.day = given.value AND daily.key = ? ORDER BY daily.day`,
  find: "SELECT value FROM daily WHERE day = ? AND key = ?",
  put: "INSERT INTO daily (day, key, size, value) VALUES (?, ?, ?, ?)",
  drop: "DELETE FROM daily WHERE day = ? AND key = ? RETURNING size",
  oldest: "SELECT day, key FROM daily WHERE day > 0 ORDER BY day, key LIMIT 1",
  dropOldest: `
    DELETE FROM daily WHERE (day, key) IN
      (SELECT day, key FROM daily WHERE day > 0 AND day < ? ORDER BY day, key LIMIT ?) RETURNING day, size`,
};

/**
 * Records by day in a table of their own, ordered by day, so that the records of one day share few pages. Only their days and
 * their size are in memory. Methods that write must be called within a transaction.
 */
export class SqliteDaily implements DailyRecords {
  readonly #limit: number;
  readonly #sql: Prepared<typeof STATEMENTS>;
  #bytes = 0;
  /** The days above 0 that have records, as a JSON array. */
  #days = "[]";

  constructor(database: SqlDatabase, { dailyBytes = MAX_DAILY_BYTES_ON_DISK }: DailyLimits) {
    this.#limit = dailyBytes;
    this.#sql = prepareAll(database, STATEMENTS);
    this.reload();
  }

  /** Reads days and size again after a transaction was rolled back. */
  reload(): void {
    this.#bytes = (this.#sql.bytes.get() as { readonly bytes: number }).bytes;
    this.#readDays();
  }

  of(key: string): readonly DailyRecord[] {
    return this.#sql.of.all(this.#days, key) as DailyRecord[];
  }

  find(day: number, key: string): string | undefined {
    return (this.#sql.find.get(day, key) as { readonly value: string } | undefined)?.value;
  }

  write(writes: readonly DailyWrite[]): number | undefined {
    for (const { day, key, value } of writes) {
      this.#take(this.#sql.drop.all(day, key));
      if (value === undefined) continue;
      const size = dailySize(key, value);
      this.#sql.put.run(day, key, size, value);
      this.#bytes += size;
    }
    let early: number | undefined;
    while (this.#bytes > this.#limit) {
      const [oldest] = this.#sql.oldest.all() as { readonly day: number; readonly key: string }[];
      if (oldest === undefined) break;
      this.#take(this.#sql.drop.all(oldest.day, oldest.key));
      early = oldest.day;
    }
    this.#settle();
    return early;
  }

  /** Deletes some of what is older than `KEPT_DAYS`. Returns whether there may be more. */
  sweep(now: number): boolean {
    const gone = this.#sql.dropOldest.all(oldestKeptDay(now), SWEEP_LIMIT);
    if (gone.length === 0) return false;
    this.#take(gone);
    this.#settle();
    return gone.length === SWEEP_LIMIT;
  }

  #take(rows: readonly unknown[]): void {
    for (const { size } of rows as readonly { readonly size: number }[]) this.#bytes -= size;
  }

  #settle(): void {
    this.#sql.writeBytes.run(this.#bytes);
    this.#readDays();
  }

  #readDays(): void {
    const days: number[] = [];
    for (let last = 0; ; ) {
      const { day } = this.#sql.nextDay.get(last) as { readonly day: number | null };
      if (day === null) break;
      days.push(day);
      last = day;
    }
    this.#days = JSON.stringify(days);
  }
}
