import {
  COMPACTION_STEP,
  changeSize,
  historyOf,
  isLong,
  KEPT_BYTES_PER_KEY,
  KEPT_CHANGES_PER_KEY,
  type LongHistory,
  type Retention,
} from "../retention.ts";
import { type Change, type ChangePage, MAX_PAGE_CHARS } from "../store.ts";

/** A change in the journal, or one that is still stored as history after the journal dropped it. */
interface Kept {
  readonly change: Change;
  readonly size: number;
}

/** The changes of a store in memory. It keeps what `SqliteJournal` keeps. */
export class MemoryJournal {
  readonly #retention: Retention;
  /** The changes of every revision above the compacted one. */
  readonly #journal = new Map<number, readonly Kept[]>();
  /** All stored changes of each key, in the journal or not, oldest first. */
  readonly #byKey = new Map<string, Kept[]>();
  /** The changes up to the compacted revision, by the prefix of their history, oldest first. */
  readonly #past = new Map<string, Set<Kept>>();
  readonly #pastBytes = new Map<string, number>();
  #changes = 0;
  #bytes = 0;
  #revision = 0;
  #compacted = 0;

  constructor(retention: Retention) {
    this.#retention = retention;
  }

  get revision(): number {
    return this.#revision;
  }

  get compacted(): number {
    return this.#compacted;
  }

  /** Adds all changes of the next revision. */
  add(changes: readonly Change[]): void {
    this.#revision += 1;
    const kept = changes.map((change) => {
      return { change, size: changeSize(change.key, JSON.stringify(change.cause), change.value) };
    });
    this.#journal.set(this.#revision, kept);
    for (const one of kept) {
      this.#bytes += one.size;
      const history = this.#byKey.get(one.change.key);
      if (history === undefined) this.#byKey.set(one.change.key, [one]);
      else history.push(one);
    }
    this.#changes += kept.length;
    this.#compactIfDue(kept.length);
  }

  at(revision: number): readonly Change[] {
    return this.#journal.get(revision)?.map(({ change }) => change) ?? [];
  }

  changes(prefix: string, after: number, limit: number): ChangePage {
    const changes: Change[] = [];
    let chars = 0;
    for (let revision = after + 1; revision <= this.#revision; revision++) {
      const own = this.at(revision).filter((change) => change.key.startsWith(prefix));
      changes.push(...own);
      for (const { value = "", previous = "" } of own) chars += value.length + previous.length;
      if (changes.length >= limit || chars >= MAX_PAGE_CHARS) return { changes, through: revision };
    }
    return { changes, through: this.#revision };
  }

  history(key: string, limit: number, beforeRevision: number): readonly Change[] {
    const all = this.#byKey.get(key) ?? [];
    const isByAge = isLong(this.#historyOf(key));
    const newest = isByAge ? 0 : all.length - KEPT_CHANGES_PER_KEY;
    return all
      .filter(({ change }, index) => index >= newest || change.revision > this.#compacted)
      .filter((one) => (isByAge || isWhole(one, all)) && one.change.revision < beforeRevision)
      .map((one) => toChange(one, all))
      .reverse()
      .slice(0, limit);
  }

  oldest(key: string): Change | undefined {
    const all = this.#byKey.get(key) ?? [];
    return all[0] && toChange(all[0], all);
  }

  compact(throughRevision: number): void {
    while (this.#compacted < throughRevision) {
      this.#compacted += 1;
      const kept = this.#journal.get(this.#compacted) ?? [];
      this.#journal.delete(this.#compacted);
      for (const one of kept) {
        this.#changes -= 1;
        this.#bytes -= one.size;
        this.#pass(one);
      }
    }
    this.#trim();
  }

  /** Deletes changes that are too old at that wall time in ms. */
  sweep(now: number): void {
    let through = this.#compacted;
    while (through < this.#revision - 1) {
      const time = this.at(through + 1)[0]?.time ?? 0;
      if (time >= now - this.#retention.keptMs) break;
      through += 1;
    }
    this.compact(through);
    for (const history of this.#retention.histories) {
      if (isLong(history)) this.#forgetOld(history, now);
    }
  }

  #compactIfDue(added: number): void {
    const { keptChanges, keptBytes } = this.#retention;
    for (let left = added + COMPACTION_STEP; left > 0; left -= COMPACTION_STEP) {
      if (this.#changes < keptChanges + COMPACTION_STEP && this.#bytes <= keptBytes) return;
      let count = 0;
      let through = this.#compacted;
      while (count < COMPACTION_STEP && through < this.#revision - 1) {
        through += 1;
        count += this.at(through).length;
      }
      if (through === this.#compacted) return;
      this.compact(through);
    }
  }

  /** Moves a change from the journal to the history of its key. */
  #pass(one: Kept): void {
    const { key, value, revision } = one.change;
    const { prefix } = this.#historyOf(key);
    const past = this.#past.get(prefix) ?? new Set();
    this.#past.set(prefix, past.add(one));
    this.#count(prefix, one.size);
    if (prefix !== "") return;
    const all = this.#byKey.get(key) ?? [];
    const own = all.filter(({ change }) => change.revision <= revision);
    // A deletion ends a resource's life. When the deletion is forgotten, so is that whole life.
    if (value === undefined) {
      this.#drop(own);
      return;
    }
    this.#drop(own.slice(0, Math.max(0, Math.min(own.length - 1, all.length - KEPT_CHANGES_PER_KEY - 1))));
    let bytes = 0;
    const large = own.findLastIndex(({ size }) => {
      bytes += size;
      return bytes - size > KEPT_BYTES_PER_KEY;
    });
    if (one.size >= KEPT_BYTES_PER_KEY / 128 && large > 0) this.#drop(own.slice(0, large));
  }

  #trim(): void {
    for (const { prefix, maxBytes } of this.#retention.histories) {
      for (const one of this.#past.get(prefix) ?? []) {
        if ((this.#pastBytes.get(prefix) ?? 0) <= maxBytes) break;
        const next = this.#nextOf(one);
        // The newest change is still needed: its value is what the key's next change replaced.
        if (next !== undefined && next.change.revision <= this.#compacted) this.#drop([one]);
      }
    }
  }

  #forgetOld({ prefix, maxMs }: LongHistory, now: number): void {
    for (const one of this.#past.get(prefix) ?? []) {
      if (one.change.time >= now - maxMs) return;
      const next = this.#nextOf(one);
      const isOver = next === undefined ? one.change.value === undefined : next.change.time < now - maxMs;
      if (isOver) this.#drop([one]);
    }
  }

  #nextOf({ change: { key, revision } }: Kept): Kept | undefined {
    return this.#byKey.get(key)?.find(({ change }) => change.revision > revision);
  }

  #drop(gone: readonly Kept[]): void {
    for (const one of gone) {
      const { key } = one.change;
      const { prefix } = this.#historyOf(key);
      if (this.#past.get(prefix)?.delete(one)) this.#count(prefix, -one.size);
      const all = this.#byKey.get(key) ?? [];
      all.splice(all.indexOf(one), 1);
      if (all.length === 0) this.#byKey.delete(key);
    }
  }

  #count(prefix: string, bytes: number): void {
    this.#pastBytes.set(prefix, (this.#pastBytes.get(prefix) ?? 0) + bytes);
  }

  #historyOf(key: string): LongHistory {
    return historyOf(key, this.#retention);
  }
}

/** Whether the value that the change replaced is stored too, or there was no such value. */
function isWhole(one: Kept, all: readonly Kept[]): boolean {
  return all[0] !== one || one.change.previous === undefined;
}

function toChange(one: Kept, all: readonly Kept[]): Change {
  if (isWhole(one, all)) return one.change;
  const { previous: _, ...change } = one.change;
  return { ...change, previousUnknown: true };
}
