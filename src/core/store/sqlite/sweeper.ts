import type { Clock, Timer } from "../../../kernel/clock.ts";
import { type Retention, SWEEP_MS } from "../retention.ts";
import type { SqliteAnswers } from "./answers.ts";
import type { SqliteDaily } from "./daily.ts";
import type { SqlDatabase, SqlStatement } from "./database.ts";
import type { SqliteJournal } from "./journal.ts";
import type { Transactions } from "./transactions.ts";

/** Time from the start to the first sweep, in ms. */
const FIRST_SWEEP_MS = 2_000;
/** Free pages above which pages are returned to the disk, and the number that is returned at a time. */
const FREE_PAGES = 2_048;
const VACUUM_PAGES = 128;

export interface SweeperDeps {
  readonly database: SqlDatabase;
  readonly clock: Clock;
  readonly retention: Retention;
  readonly journal: SqliteJournal;
  readonly answers: SqliteAnswers;
  readonly daily: SqliteDaily;
  readonly transactions: Transactions;
  /** Lets other work run. */
  readonly pause: () => Promise<void>;
}

/** Periodically deletes old data and data beyond the limits, and returns free pages to the disk, in small steps. */
export class Sweeper {
  readonly #deps: SweeperDeps;
  readonly #freePages: SqlStatement;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(deps: SweeperDeps) {
    this.#deps = deps;
    this.#freePages = deps.database.prepare("PRAGMA freelist_count");
    this.#sweepIn(FIRST_SWEEP_MS);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #sweepIn(delayMs: number): void {
    this.#timer = this.#deps.clock.setTimer(delayMs, () => {
      this.#sweep()
        // The next sweep deletes what this one did not. The failed transaction has already noted that writes fail.
        .catch(() => {})
        .then(() => {
          if (!this.#isClosed) this.#sweepIn(SWEEP_MS);
        });
    });
  }

  async #sweep(): Promise<void> {
    const { clock, retention, journal, answers, daily } = this.#deps;
    journal.rewind();
    await this.#inSlices(() => answers.sweep());
    await this.#inSlices(() => daily.sweep(clock.now()));
    await this.#inSlices(() => journal.compactBefore(clock.now() - retention.keptMs));
    await this.#inSlices(() => journal.trim());
    let cursor: number | undefined = 0;
    await this.#inSlices(() => {
      cursor = journal.forgetOld(cursor ?? 0, clock.now());
      return cursor !== undefined;
    });
    await this.#giveBack();
  }

  /** Repeats a transaction while it returns that there is more to do. Other work gets its turn in between. */
  async #inSlices(run: () => boolean): Promise<void> {
    while (!this.#isClosed && this.#deps.transactions.run(run)) await this.#deps.pause();
  }

  async #giveBack(): Promise<void> {
    const freePages = (): number => (this.#freePages.get() as { readonly freelist_count: number }).freelist_count;
    let before = Number.POSITIVE_INFINITY;
    while (!this.#isClosed && freePages() > FREE_PAGES && freePages() < before) {
      before = freePages();
      this.#deps.database.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
      await this.#deps.pause();
    }
  }
}
