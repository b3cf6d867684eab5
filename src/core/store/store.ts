import type { Answers } from "./answers.ts";
import type { DailyRecords } from "./daily.ts";

/** Who changed something, by which operation, and why. It is stored with the change and never interpreted. */
export interface Cause {
  /**
   * The operation, by its name in the contract, such as `SetPercentage` or `LoadModule`. The engine's own actions have
   * names such as `Trip` and `Crash`.
   */
  readonly action: string;
  /** Who asked for the change. Absent if the request did not say. */
  readonly actor?: string;
  /** Free text. Absent if the request did not say. */
  readonly reason?: string;
}

/** The current value of a key. */
export interface Entry {
  readonly key: string;
  /** JSON text. */
  readonly value: string;
  /** The revision of the store at which this value was written. */
  readonly revision: number;
  /** Wall time in ms at which the key was created. A deletion ends its life; a later write creates it again. */
  readonly createTime: number;
  /** Wall time in ms at which this value was written. */
  readonly updateTime: number;
}

/** One write, as it appears in the change feed and in the history. */
export interface Change {
  readonly key: string;
  /** The changes of a batch have the same revision, and different keys. */
  readonly revision: number;
  /** JSON text. Absent if the key was deleted. */
  readonly value?: string;
  /** The value before the change, if there was one. */
  readonly previous?: string;
  /** Set if there was a value before, but it is no longer stored. */
  readonly previousUnknown?: true;
  /** Wall time in ms of the write. */
  readonly time: number;
  /** As `Entry.createTime`. For a deletion, the creation time of the deleted key. */
  readonly createTime: number;
  readonly cause: Cause;
}

export interface WriteOptions {
  readonly cause: Cause;
  /**
   * Compare-and-set: the revision that the key must have now, or 0 if the key must not exist. If it does not match, the
   * write is refused with a `RevisionConflict`, and nothing changes. If absent, any value is replaced.
   */
  readonly ifRevision?: number;
}

/** One write of a batch. */
export interface BatchWrite {
  readonly key: string;
  /** JSON text. Undefined deletes the key. */
  readonly value: string | undefined;
  /** As in `WriteOptions`. */
  readonly ifRevision?: number;
}

/** The result of a batch. */
export interface BatchResult {
  /** The store's revision of the batch. Undefined if nothing changed. */
  readonly revision: number | undefined;
  /** The entry of each write after the batch, in the order of the writes. Undefined if the key was deleted. */
  readonly entries: readonly (Entry | undefined)[];
}

/** A page of changes in ascending order of revision. The changes of a batch are in the order of its writes. */
export interface ChangePage {
  readonly changes: readonly Change[];
  /** The pages so far contain every change below the prefix, up to and including this revision. */
  readonly through: number;
}

export interface Subscription {
  close(): void;
}

/** Says that writes fail, for example because the disk is full. Reads still work, and each further write is tried. */
export interface Refusal {
  /** Wall time in ms of the first failed write. */
  readonly since: number;
  /** The error message of the last failed write. */
  readonly problem: string;
}

/** Whether a store accepts writes. */
export interface Writable {
  /** Undefined while the store accepts writes. */
  readonly refusal: Refusal | undefined;
  /** Calls `listener` with the refusal when writes begin to fail, and with undefined when they succeed again. */
  observe(listener: (refusal: Refusal | undefined) => void): Subscription;
}

/** Gets all changes of one revision, in the order of the writes. */
export type ChangeListener = (changes: readonly Change[]) => void;

/**
 * A key-value store with revisions and one global order of writes. It offers only what a replicated log of keys could
 * offer: data that must change together is one value, or one batch whose writes are decided beforehand. Each write, and
 * each batch that changes something, raises the revision by one.
 */
export interface Store {
  /**
   * Identity of this store's data. It changes when the data starts empty, is restored from a backup, or was replaced by an
   * older copy. It stays the same after a restart.
   */
  readonly incarnation: string;
  /** Takes a new incarnation, durably. All earlier resume tokens and etags become invalid. */
  reincarnate(): Promise<void>;
  readonly writable: Writable;
  readonly answers: Answers;
  readonly daily: DailyRecords;
  get(key: string): Promise<Entry | undefined>;
  /** Returns all entries whose key starts with `prefix`, by key, and the revision at which they were read. */
  list(prefix: string): Promise<{ readonly entries: readonly Entry[]; readonly revision: number }>;
  /**
   * Calls `visit` with every entry, in no particular order, and returns the revision at which they were read. Unlike `list`,
   * it does not hold all of them in memory at once. `visit` must not use the store.
   */
  scan(visit: (entry: Entry) => void): Promise<number>;
  /** Resolves when the write is durable (it survives a crash of the process) and every watcher has been called. */
  put(key: string, value: string, options: WriteOptions): Promise<Entry>;
  /** Deletes a key. Resolves to the revision of the deletion, or undefined if the key did not exist. */
  delete(key: string, options: WriteOptions): Promise<number | undefined>;
  /**
   * Makes all writes at one revision and time, or none, even if the process crashes. Each key may occur once. Deleting a
   * key that does not exist changes nothing. Resolves as `put` does. Rejects with the `RevisionConflict` of the first write
   * that does not match, or with BATCH_TOO_LARGE beyond `MAX_BATCH_WRITES` or `MAX_BATCH_BYTES`; then nothing changes.
   */
  batch(writes: readonly BatchWrite[], cause: Cause): Promise<BatchResult>;
  /**
   * Returns at most `limit` changes below `prefix` with a revision above `afterRevision`, oldest first. A batch is never
   * split, so the batch at the end of a page may exceed the limit. A page also ends after `MAX_PAGE_CHARS` of values. Rejects with
   * `RevisionCompacted` if some of these changes are no longer stored.
   */
  changes(prefix: string, afterRevision: number, limit: number): Promise<ChangePage>;
  /**
   * Returns the newest stored changes of a key, newest first. If `beforeRevision` is given, only changes below it: the
   * first change below `revision + 1` is the state of the key at `revision`.
   */
  history(key: string, limit: number, beforeRevision?: number): Promise<readonly Change[]>;
  /** Returns the oldest change of a key that is still stored. */
  oldest(key: string): Promise<Change | undefined>;
  /**
   * Calls `listener` with every change after `afterRevision`, each once and in order, during the write that made it. All
   * changes of a batch come in one call. Existing changes are delivered before the promise resolves. Rejects with
   * `RevisionCompacted` if some of them are no longer stored.
   */
  watch(afterRevision: number, listener: ChangeListener): Promise<Subscription>;
  /**
   * Forgets the changes up to `throughRevision`. The newest few of each key, and those with a long history, stay in
   * `history`. When a deletion is forgotten, so are all earlier changes of that key, because otherwise short-lived keys
   * would pile up. The store compacts by itself when it exceeds the limits in `RetentionOptions`.
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
/** A compare-and-set failed: the key is not at the revision that the writer expected (0 means that it does not exist). */
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

/** Changes were requested that have been compacted, or that do not exist yet. */
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
