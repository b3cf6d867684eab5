import type { Clock, Timer } from "../../../kernel/clock.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import { Writability } from "../writability.ts";
import type { SqliteAnswers } from "./answers.ts";
import type { SqliteDaily } from "./daily.ts";
import { type Prepared, prepareAll, type SqlDatabase } from "./database.ts";
import type { SqliteJournal } from "./journal.ts";
import * as sql from "./schema.ts";

/** How often a store that refuses writes (`STORE_UNAVAILABLE`) tries whether it can write again. @limit ms */
const PROBE_MS = 5_000;
/** Free space that the disk must have before a store that refused writes accepts them again. @limit bytes */
const PROBE_BYTES = 64 * 1024;

const STATEMENTS = {
  head: sql.READ_META,
  dataVersion: "PRAGMA data_version",
  fillProbe: sql.FILL_PROBE,
  emptyProbe: sql.EMPTY_PROBE,
};

export interface TransactionsDeps {
  readonly database: SqlDatabase;
  readonly clock: Clock;
  readonly journal: SqliteJournal;
  readonly answers: SqliteAnswers;
  readonly daily: SqliteDaily;
}

/** Runs transactions. Each is carried out completely or not at all. After a failure, tests when writes succeed again. */
export class Transactions {
  readonly writable = new Writability();
  readonly #deps: TransactionsDeps;
  readonly #sql: Prepared<typeof STATEMENTS>;
  /** SQLite's data version, as this store left it. A write by another program changes it. */
  #dataVersion: number;
  #probe: Timer | undefined;

  constructor(deps: TransactionsDeps) {
    this.#deps = deps;
    this.#sql = prepareAll(deps.database, STATEMENTS);
    this.#dataVersion = this.#readDataVersion();
  }

  /**
   * Runs `work` in a transaction. If it fails, nothing was written, the error is STORE_UNAVAILABLE, and a write is tested
   * later.
   */
  run<T>(work: () => T): T {
    const { database, clock, journal } = this.#deps;
    const before = journal.save();
    try {
      database.exec("BEGIN IMMEDIATE");
      this.#checkAlone();
      const result = work();
      database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#undo();
      journal.restore(before);
      this.writable.failed(messageOf(error), clock.now());
      this.#tryLater();
      throw HeliosError.of("STORE_UNAVAILABLE", { problem: messageOf(error) }, { cause: error });
    }
  }

  /**
   * Must be called after a transaction that wrote something. A transaction that wrote nothing does not show that writes
   * succeed.
   */
  succeeded(): void {
    this.#probe?.cancel();
    this.writable.succeeded();
  }

  close(): void {
    this.#probe?.cancel();
  }

  /**
   * Stops all writes if another program has written to the database. They would overwrite its changes, or be based on wrong
   * revisions.
   */
  #checkAlone(): void {
    const version = this.#readDataVersion();
    if (version === this.#dataVersion) return;
    const { revision } = this.#sql.head.get() as { readonly revision: number };
    if (revision !== this.#deps.journal.revision) {
      throw new Error("another program has written to the database: restart Helios");
    }
    this.#dataVersion = version;
  }

  #readDataVersion(): number {
    return (this.#sql.dataVersion.get() as { readonly data_version: number }).data_version;
  }

  /** If even the rollback fails, the next BEGIN rolls the transaction back. */
  #undo(): void {
    const { database, answers, daily } = this.#deps;
    try {
      if (database.isTransaction) database.exec("ROLLBACK");
      answers.reload();
      daily.reload();
    } catch {
      // The error that the caller gets is the one of the write.
    }
  }

  #tryLater(): void {
    this.#probe?.cancel();
    this.#probe = this.#deps.clock.setTimer(PROBE_MS, () => {
      try {
        this.run(() => this.#sql.fillProbe.run(PROBE_BYTES));
        this.succeeded();
        this.run(() => this.#sql.emptyProbe.run());
      } catch {
        // The failure was noted, and the write is tested again later.
      }
    });
  }
}
