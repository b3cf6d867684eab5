import type { Clock } from "../clock.ts";
import { type AnswerLimits, MAX_ANSWER_BYTES, MAX_ANSWER_BYTES_ON_DISK, type StoredAnswer } from "./answers.ts";
import type { SqlDatabase } from "./sqlite-store.ts";

/** Answers that are forgotten in one transaction. */
const SWEEP_LIMIT = 100;

/** Answers in a table of their own. Nothing of them is in memory but for how many there are, and how large. */
export class SqliteAnswers {
  readonly #clock: Clock;
  readonly #limits: { readonly answerBytes: number; readonly knownRequests: number };
  readonly #sql: ReturnType<typeof prepareAll>;
  #bytes = 0;
  #count = 0;

  constructor(
    database: SqlDatabase,
    clock: Clock,
    { answerBytes = MAX_ANSWER_BYTES_ON_DISK, knownRequests }: AnswerLimits,
  ) {
    this.#limits = { answerBytes, knownRequests };
    this.#clock = clock;
    this.#sql = prepareAll(database);
    this.reload();
  }

  /** After a transaction that was rolled back. */
  reload(): void {
    const { bytes, count } = this.#sql.sum.get() as { readonly bytes: number; readonly count: number };
    [this.#bytes, this.#count] = [bytes, count];
  }

  find(id: string): StoredAnswer | undefined {
    const row = this.#sql.find.get(id, this.#clock.now()) as
      | { readonly digest: string; readonly answer: Uint8Array | null }
      | undefined;
    return row && { digest: row.digest, answer: row.answer ?? undefined };
  }

  /** Within a transaction. */
  write(id: string, digest: string, answer: Uint8Array, expires: number): void {
    const kept = answer.length > MAX_ANSWER_BYTES ? null : answer;
    const { answerBytes, knownRequests } = this.#limits;
    this.#take(this.#sql.forget.all(id));
    this.#sql.put.run(id, expires, digest, kept?.length ?? 0, kept);
    this.#bytes += kept?.length ?? 0;
    this.#count += 1;
    while (this.#bytes > answerBytes) {
      const dropped = this.#sql.drop.all() as { readonly size: number }[];
      if (dropped.length === 0) break;
      // What `RETURNING` tells of an update is the row as it is afterwards: the size stays there.
      for (const { size } of dropped) this.#bytes -= size;
    }
    if (this.#count > knownRequests) this.#take(this.#sql.forgetOldest.all(this.#count - knownRequests));
  }

  /** Within a transaction: forgets some of those whose time is over; whether there may be more. */
  sweep(): boolean {
    const gone = this.#sql.expire.all(this.#clock.now(), SWEEP_LIMIT);
    this.#take(gone);
    return gone.length === SWEEP_LIMIT;
  }

  #take(rows: readonly unknown[]): void {
    for (const { held } of rows as readonly { readonly held: number }[]) this.#bytes -= held;
    this.#count -= rows.length;
  }
}

function prepareAll(database: SqlDatabase) {
  const held = "RETURNING iif(answer IS NULL, 0, size) AS held";
  return {
    sum: database.prepare(`
      SELECT (SELECT coalesce(sum(size), 0) FROM answers WHERE answer IS NOT NULL) AS bytes,
        (SELECT count(*) FROM answers) AS count`),
    find: database.prepare("SELECT digest, answer FROM answers WHERE id = ? AND expires >= ?"),
    put: database.prepare("INSERT INTO answers (id, expires, digest, size, answer) VALUES (?, ?, ?, ?, ?)"),
    forget: database.prepare(`DELETE FROM answers WHERE id = ? ${held}`),
    drop: database.prepare(`
      UPDATE answers SET answer = NULL WHERE rowid IN
        (SELECT rowid FROM answers WHERE answer IS NOT NULL ORDER BY expires LIMIT 1) RETURNING size`),
    forgetOldest: database.prepare(`
      DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers ORDER BY expires LIMIT ?) ${held}`),
    expire: database.prepare(`
      DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers WHERE expires < ? ORDER BY expires LIMIT ?) ${held}`),
  };
}
