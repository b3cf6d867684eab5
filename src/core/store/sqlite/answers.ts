import type { Clock } from "../../../kernel/clock.ts";
import {
  type AnswerLimits,
  keysExhausted,
  MAX_ANSWER_BYTES,
  MAX_ANSWER_BYTES_ON_DISK,
  MAX_KNOWN_CALLS_ON_DISK,
  type NewAnswer,
  type StoredAnswer,
} from "../answers.ts";
import { type Prepared, prepareAll, type SqlDatabase } from "./database.ts";

/** Answers that are deleted in one transaction. */
const SWEEP_LIMIT = 100;

const GONE = "RETURNING iif(answer IS NULL, 0, size) AS held, note IS NOT NULL AS call";
const STATEMENTS = {
  sum: `
    SELECT (SELECT coalesce(sum(size), 0) FROM answers WHERE answer IS NOT NULL) AS bytes,
      (SELECT count(*) FROM answers WHERE note IS NULL) AS requests,
      (SELECT count(*) FROM answers WHERE note IS NOT NULL) AS calls`,
  find: "SELECT digest, answer, note FROM answers WHERE id = ? AND expires >= ?",
  put: "INSERT INTO answers (id, expires, digest, size, answer, note) VALUES (?, ?, ?, ?, ?, ?)",
  forget: `DELETE FROM answers WHERE id = ? ${GONE}`,
  drop: `
    UPDATE answers SET answer = NULL WHERE rowid IN
      (SELECT rowid FROM answers WHERE answer IS NOT NULL ORDER BY expires LIMIT 1) RETURNING size`,
  forgetOldest: `
    DELETE FROM answers WHERE rowid IN
      (SELECT rowid FROM answers WHERE note IS NULL ORDER BY expires LIMIT ?) ${GONE}`,
  expire: `
    DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers WHERE expires < ? ORDER BY expires LIMIT ?) ${GONE}`,
};

/** Answers in a table of their own. Only their number and size are in memory. */
export class SqliteAnswers {
  readonly #clock: Clock;
  readonly #limits: { readonly answerBytes: number; readonly knownRequests: number; readonly knownCalls: number };
  readonly #sql: Prepared<typeof STATEMENTS>;
  #bytes = 0;
  #requests = 0;
  #calls = 0;

  constructor(database: SqlDatabase, clock: Clock, limits: AnswerLimits) {
    const { answerBytes = MAX_ANSWER_BYTES_ON_DISK, knownRequests, knownCalls = MAX_KNOWN_CALLS_ON_DISK } = limits;
    this.#limits = { answerBytes, knownRequests, knownCalls };
    this.#clock = clock;
    this.#sql = prepareAll(database, STATEMENTS);
    this.reload();
  }

  /** Reads the counters again after a transaction was rolled back. */
  reload(): void {
    const { bytes, requests, calls } = this.#sql.sum.get() as Readonly<Record<"bytes" | "requests" | "calls", number>>;
    [this.#bytes, this.#requests, this.#calls] = [bytes, requests, calls];
  }

  find(id: string): StoredAnswer | undefined {
    const row = this.#sql.find.get(id, this.#clock.now()) as
      | { readonly digest: string; readonly answer: Uint8Array | null; readonly note: string | null }
      | undefined;
    return row && { digest: row.digest, answer: row.answer ?? undefined, note: row.note ?? undefined };
  }

  /**
   * Throws IDEMPOTENCY_KEYS_EXHAUSTED if the limit is reached and this id is new. Ids of the same group of writes are not
   * counted yet, so the limit can be exceeded by one group.
   */
  checkRoom(id: string): void {
    const { knownCalls } = this.#limits;
    if (this.#calls >= knownCalls && this.find(id) === undefined) throw keysExhausted(knownCalls);
  }

  /** Must be called within a transaction. */
  write(id: string, { digest, answer, note }: NewAnswer, expires: number): void {
    const kept = answer === undefined || answer.length > MAX_ANSWER_BYTES ? null : answer;
    const { answerBytes, knownRequests } = this.#limits;
    this.forget(id);
    this.#sql.put.run(id, expires, digest, kept?.length ?? 0, kept, note ?? null);
    this.#bytes += kept?.length ?? 0;
    if (note === undefined) this.#requests += 1;
    else this.#calls += 1;
    while (this.#bytes > answerBytes) {
      const dropped = this.#sql.drop.all() as { readonly size: number }[];
      if (dropped.length === 0) break;
      // `RETURNING` of an update returns the row after the update. The column `size` keeps the size of the dropped answer.
      for (const { size } of dropped) this.#bytes -= size;
    }
    if (this.#requests > knownRequests) this.#take(this.#sql.forgetOldest.all(this.#requests - knownRequests));
  }

  /** Must be called within a transaction. */
  forget(id: string): void {
    this.#take(this.#sql.forget.all(id));
  }

  /** Deletes some expired records, within a transaction. Returns whether there may be more. */
  sweep(): boolean {
    const gone = this.#sql.expire.all(this.#clock.now(), SWEEP_LIMIT);
    this.#take(gone);
    return gone.length === SWEEP_LIMIT;
  }

  #take(rows: readonly unknown[]): void {
    for (const { held, call } of rows as readonly { readonly held: number; readonly call: number }[]) {
      this.#bytes -= held;
      this.#calls -= call;
      this.#requests -= 1 - call;
    }
  }
}
