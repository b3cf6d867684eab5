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
  readonly revision: number;
  /** JSON text; absent where the key was deleted. */
  readonly value?: string;
  /** The value before, where there was one. */
  readonly previous?: string;
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

/** A page of changes in ascending order of revision. */
export interface ChangePage {
  readonly changes: readonly Change[];
  /** Every change up to and including this revision (below the prefix) has been told. */
  readonly through: number;
}

export interface Subscription {
  close(): void;
}

/**
 * A revisioned key-value store with one global order of writes, no richer than a replicated log of keys can be: no
 * transactions over several keys. What must change together is one value.
 */
export interface Store {
  /** Identity of this store's life: a new one when the data starts anew, the same one after a restart. */
  readonly incarnation: string;
  get(key: string): Promise<Entry | undefined>;
  /** All entries whose key starts with `prefix`, by key, and the revision of the store at which they were read. */
  list(prefix: string): Promise<{ readonly entries: readonly Entry[]; readonly revision: number }>;
  /** Resolves when the write is durable (it survives a crash of the process) and every watcher has been called. */
  put(key: string, value: string, options: WriteOptions): Promise<Entry>;
  /** Deletes a key that exists; resolves to the revision of the delete, or undefined where there was no such key. */
  delete(key: string, options: WriteOptions): Promise<number | undefined>;
  /**
   * At most `limit` changes below `prefix` with a revision above `afterRevision`, oldest first.
   * Rejects with `RevisionCompacted` when some of them are no longer kept.
   */
  changes(prefix: string, afterRevision: number, limit: number): Promise<ChangePage>;
  /** The newest kept changes of one key, newest first; only those with a revision below `beforeRevision`, if given. */
  history(key: string, limit: number, beforeRevision?: number): Promise<readonly Change[]>;
  /**
   * Calls `listener` with every change after `afterRevision`, each once, in order, from within the write that made
   * it; changes that exist already are told before the promise resolves.
   * Rejects with `RevisionCompacted` when some of them are no longer kept.
   */
  watch(afterRevision: number, listener: (change: Change) => void): Promise<Subscription>;
  /**
   * Forgets changes up to `throughRevision`, except the newest few of each key (`history` still tells those). Once a
   * delete is among the forgotten, so is all that came before it of that key: keys that come and go must not pile up.
   */
  compact(throughRevision: number): Promise<void>;
  close(): Promise<void>;
}

/** How many changes of one key outlive a compaction. */
export const KEPT_CHANGES_PER_KEY = 100;

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
