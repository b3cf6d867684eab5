import type { Answers } from "./answers.ts";

/** Who changed something, by which operation, and why: recorded with the change and never interpreted. */
export interface Cause {
  /** The operation, in the contract's name for it: `SetPercentage`, `LoadModule`; the engine's own: `Trip`, `Crash`. */
  readonly action: string;
  /** Who asked for it; absent where nobody said. */
  readonly actor?: string;
  /** Free text; absent where nobody said. */
  readonly reason?: string;
}

/** A key's present value. */
export interface Entry {
  readonly key: string;
  /** JSON text. */
  readonly value: string;
  /** The store-wide revision of the write that made this value. */
  readonly revision: number;
  /** Wall time in ms of the write that made the key; a delete ends it. */
  readonly createTime: number;
  /** Wall time in ms of the write that made this value. */
  readonly updateTime: number;
}

/** One write, as the change feed and the history tell it. */
export interface Change {
  readonly key: string;
  /** Shared by the changes of one batch, which are of different keys. */
  readonly revision: number;
  /** JSON text; absent where the key was deleted. */
  readonly value?: string;
  /** The value before, where there was one. */
  readonly previous?: string;
  /** There was a value before, which is not kept any more. */
  readonly previousUnknown?: true;
  /** Wall time in ms of the write. */
  readonly time: number;
  /** As `Entry.createTime`; for a delete, of the key's life that ended. */
  readonly createTime: number;
  readonly cause: Cause;
}

export interface WriteOptions {
  readonly cause: Cause;
  /**
   * Compare-and-set: the revision the key must have now; 0: the key must not exist. Absent: whatever is there is
   * replaced. Else the write is refused with a `RevisionConflict` and nothing is changed.
   */
  readonly ifRevision?: number;
}

/** One of the writes of a batch. */
export interface BatchWrite {
  readonly key: string;
  /** JSON text; undefined: the key is deleted. */
  readonly value: string | undefined;
  /** As in `WriteOptions`. */
  readonly ifRevision?: number;
}

/** What became of a batch. */
export interface BatchResult {
  /** The store's revision at which all of it happened; undefined: there was nothing to change. */
  readonly revision: number | undefined;
  /** Of each write, in their order: the key as it is now; undefined where it was deleted. */
  readonly entries: readonly (Entry | undefined)[];
}

/** A page of changes in ascending order of revision, those of a batch in the order of its writes. */
export interface ChangePage {
  readonly changes: readonly Change[];
  /** Every change up to and including this revision (below the prefix) has been told. */
  readonly through: number;
}

export interface Subscription {
  close(): void;
}

/** Writes fail, as on a disk that is full; reads go on, and each further write is tried nevertheless. */
export interface Refusal {
  /** Wall time in ms of the first write that failed. */
  readonly since: number;
  /** What the last of them said. */
  readonly problem: string;
}

/** Whether a store takes writes. */
export interface Writable {
  /** Undefined while it does. */
  readonly refusal: Refusal | undefined;
  /** Calls `listener` whenever writes begin to be refused (with why), or are taken again (with undefined). */
  observe(listener: (refusal: Refusal | undefined) => void): Subscription;
}

/** Is told the changes of one revision: one, or all those of a batch in the order of its writes. */
export type ChangeListener = (changes: readonly Change[]) => void;

/**
 * A revisioned key-value store with one global order of writes, no richer than a replicated log of keys can be: what
 * must change together is one value, or one batch of writes that were decided before. Revisions count up by one with
 * each write and each batch that changes something.
 */
export interface Store {
  /**
   * Identity of this store's life: a new one when the data starts anew, is restored from a backup or was found to have
   * been set back; the same one after a restart.
   */
  readonly incarnation: string;
  /** Takes another identity, durably: no token and no etag of before holds any more. */
  reincarnate(): Promise<void>;
  readonly writable: Writable;
  readonly answers: Answers;
  get(key: string): Promise<Entry | undefined>;
  /** All entries whose key starts with `prefix`, by key, and the revision of the store at which they were read. */
  list(prefix: string): Promise<{ readonly entries: readonly Entry[]; readonly revision: number }>;
  /** Resolves when the write is durable (it survives a crash of the process) and every watcher has been called. */
  put(key: string, value: string, options: WriteOptions): Promise<Entry>;
  /** Deletes a key that exists; resolves to the revision of the delete, or undefined where there was no such key. */
  delete(key: string, options: WriteOptions): Promise<number | undefined>;
  /**
   * Makes all of the writes at one revision and time, or none: a crash leaves all or nothing, too. Each key may be
   * there once. A delete of what does not exist changes nothing. Resolves as `put` does. Rejects with the
   * `RevisionConflict` of the first write that lost, or with BATCH_TOO_LARGE beyond `MAX_BATCH_WRITES` or
   * `MAX_BATCH_BYTES`; nothing is changed then.
   */
  batch(writes: readonly BatchWrite[], cause: Cause): Promise<BatchResult>;
  /**
   * At most `limit` changes below `prefix` with a revision above `afterRevision`, oldest first; a batch is never cut,
   * so that a page of one revision may have more. `MAX_PAGE_CHARS` of values end a page, too.
   * Rejects with `RevisionCompacted` when some of them are no longer kept.
   */
  changes(prefix: string, afterRevision: number, limit: number): Promise<ChangePage>;
  /**
   * The newest kept changes of one key, newest first; only those with a revision below `beforeRevision`, if given. That
   * before `revision + 1` is the state of the key at a revision.
   */
  history(key: string, limit: number, beforeRevision?: number): Promise<readonly Change[]>;
  /** The oldest change of one key that is kept in any way. */
  oldest(key: string): Promise<Change | undefined>;
  /**
   * Calls `listener` with every change after `afterRevision`, each once, in order, from within the write that made
   * it, all of a batch in one call; changes that exist already are told before the promise resolves.
   * Rejects with `RevisionCompacted` when some of them are no longer kept.
   */
  watch(afterRevision: number, listener: ChangeListener): Promise<Subscription>;
  /**
   * Forgets changes up to `throughRevision`, except the newest few of each key, or those that have a long history
   * (`history` still tells those). Once a delete is among the forgotten, so is all that came before it of that key: keys
   * that come and go must not pile up. The store does it by itself beyond what it is to keep: see `RetentionOptions`.
   */
  compact(throughRevision: number): Promise<void>;
  close(): Promise<void>;
}

/** Writes of one atomic change; more are refused with `BATCH_TOO_LARGE`. @limit writes */
export const MAX_BATCH_WRITES = 5_000;
/** Size of the keys and values of one atomic change; more is refused with `BATCH_TOO_LARGE`. @limit bytes */
export const MAX_BATCH_BYTES = 16 * 1024 * 1024;
/**
 * Length of the values in one page of the journal. The page ends with the current revision, and the next page
 * continues. @limit characters
 */
export const MAX_PAGE_CHARS = 4 * 1024 * 1024;
/** A compare-and-set lost: the key is at another revision (0: it does not exist) than the writer believed. */
export class RevisionConflict extends Error {
  override readonly name = "RevisionConflict";
  readonly key: string;
  readonly actualRevision: number;
  constructor(key: string, expected: number, actual: number) {
    super(`key ${key} is at revision ${actual}, not ${expected}`);
    this.key = key;
    this.actualRevision = actual;
  }
}

/** Changes were asked for that have been compacted away, or that have never been. */
export class RevisionCompacted extends Error {
  override readonly name = "RevisionCompacted";
  readonly requested: number;
  readonly oldest: number;
  constructor(requested: number, oldest: number) {
    super(`changes after revision ${requested} are not kept; the oldest that can be asked for is ${oldest}`);
    this.requested = requested;
    this.oldest = oldest;
  }
}
