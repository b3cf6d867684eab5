import { retry } from "../../kernel/async/retry.ts";
import { KeyedSerial } from "../async/serial.ts";
import { HeliosError, messageOf } from "../errors/error.ts";
import { knownSize, WHOLE_BYTES } from "../size.ts";
import { Hub } from "../watch/hub.ts";
import { checkBatch } from "./checks.ts";
import type { Feed } from "./feed.ts";
import { type BatchWrite, type Cause, type Change, type Entry, RevisionConflict } from "./store.ts";

/** In place of an etag: whichever the resource has, as long as there is one. */
const ANY_ETAG = "*";

/** A named record with what the store knows of it. Immutable: a change makes a new one. */
export interface Resource<T> {
  readonly name: string;
  readonly record: T;
  /** Store-wide revision of the last change. */
  readonly revision: number;
  /** Opaque; equal exactly when the resource is unchanged. */
  readonly etag: string;
  /** Wall time in ms. */
  readonly createTime: number;
  /** Wall time in ms. */
  readonly updateTime: number;
  /** Of the record as stored, in characters. */
  readonly size: number;
}

/** Bytes that a character of a stored record makes at most: a digit and a comma are a number's thirteen. */
const MOST_BYTES_PER_CHARACTER = 8;

/** Whether it cannot be shown whole: an earlier version wrote it, before there was a limit. */
export function isOversize({ size, record }: Resource<unknown>): boolean {
  if (size * MOST_BYTES_PER_CHARACTER <= WHOLE_BYTES) return false;
  return typeof record === "object" && record !== null && knownSize(record) > WHOLE_BYTES;
}

/** One change of one resource. */
export interface Delta<T> {
  readonly name: string;
  readonly revision: number;
  /** Wall time in ms. */
  readonly time: number;
  readonly cause: Cause;
  /** Absent where there was none before, or it is not kept any more. */
  readonly before?: T;
  /** There was one before, which is not kept any more. */
  readonly beforeUnknown?: true;
  /** Absent where the resource was deleted. */
  readonly resource?: Resource<T>;
}

/** A pure decision over the present resource (undefined: there is none): the record to write, or undefined to leave it. */
export type Decide<T> = (current: Resource<T> | undefined) => T | undefined;

/** What to write of one resource of several that change together. */
export interface Decision<T> {
  readonly name: string;
  /** `null` deletes it; undefined leaves it as it is. */
  readonly record: T | null | undefined;
  /** If given and not empty, the present resource must have it: else ETAG_MISMATCH. */
  readonly etag?: string | undefined;
}

/** What became of resources that changed together. */
export interface Decided<T> {
  /** The store's revision at which all of them changed; undefined: nothing was to change. */
  readonly revision: number | undefined;
  /** In the order of the decisions: as written, as it is where it was left alone, undefined where there is none. */
  readonly resources: readonly (Resource<T> | undefined)[];
}

/**
 * The resources of one kind: kept in memory by applying the feed, changed by compare-and-set on the store, watched
 * through `hub`. Records are plain JSON values.
 */
export class Collection<T> {
  readonly hub: Hub<Delta<T>, Resource<T>>;
  readonly prefix: string;
  readonly #feed: Feed;
  readonly #check: (name: string, after: T, before: T | undefined) => void;
  readonly #byName = new Map<string, Resource<T>>();
  /**
   * Writers of one resource in this process take turns: racing, all but one of them would lose, again and again. The
   * compare-and-set is for writers elsewhere. A batch may be about any resource.
   */
  readonly #turns = new KeyedSerial();
  /** The answer of `list` until something changes: many watchers start with it. */
  #sorted: readonly Resource<T>[] | undefined;
  readonly #appliers: ((deltas: readonly Delta<T>[]) => void)[] = [];
  readonly #listeners: ((delta: Delta<T>) => void)[] = [];
  /** Applied and not told yet. */
  #untold: readonly Delta<T>[] = [];

  /**
   * @param prefix ends with a slash.
   * @param check what is about to be written, over what was there: what it throws is thrown on, and nothing is written.
   */
  constructor(feed: Feed, prefix: string, check: (name: string, after: T, before: T | undefined) => void = () => {}) {
    this.#feed = feed;
    this.#check = check;
    this.prefix = prefix;
    this.hub = new Hub(feed, {
      prefix,
      snapshot: () => this.list(),
      decode: (change) => this.#delta(change),
      sizeOf: (told) => ("record" in told ? told.size : (told.resource?.size ?? 0)),
      isOversize: ({ resource }) => resource !== undefined && isOversize(resource),
    });
    feed.attach(prefix, {
      load: (entries) => {
        this.#sorted = undefined;
        for (const entry of entries) this.#byName.set(this.#nameOf(entry.key), this.#resource(entry));
      },
      apply: (changes) => this.#apply(changes),
      tell: () => this.#tell(),
    });
  }

  get(name: string): Resource<T> | undefined {
    return this.#byName.get(name);
  }

  get size(): number {
    return this.#byName.size;
  }

  /** All resources, by name in code-unit order. */
  list(): readonly Resource<T>[] {
    this.#sorted ??= [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sorted;
  }

  /**
   * Calls `applier` with the changes of each revision from now on, when the collection has applied them and before
   * anybody is told: whoever keeps what is derived from resources brings it up to date here.
   */
  onApply(applier: (deltas: readonly Delta<T>[]) => void): void {
    this.#appliers.push(applier);
  }

  /** Calls `listener` with every change from now on, after everything of its revision was applied everywhere. */
  onChange(listener: (delta: Delta<T>) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Decides over the present resource and writes the decision by compare-and-set; when another writer was faster it
   * decides anew. Resolves, when the write is durable and applied, to the resource as written, or as it is where
   * `decide` left it alone. What `decide` throws is thrown on; nothing is written then.
   *
   * @param etag if given and not empty, the present resource must have it, or `ANY_ETAG`, any: else ETAG_MISMATCH.
   */
  change(name: string, cause: Cause, decide: Decide<T>, etag?: string): Promise<Resource<T> | undefined> {
    return this.#turns.run(name, () => retry(() => this.#change(name, cause, decide, etag), this.#lostRace));
  }

  async #change(name: string, cause: Cause, decide: Decide<T>, etag?: string): Promise<Resource<T> | undefined> {
    const current = this.#byName.get(name);
    checkEtag(name, current, etag);
    const record = decide(current);
    if (record === undefined) return current;
    this.#check(name, record, current?.record);
    const options = { cause, ifRevision: current?.revision ?? 0 };
    const entry = await stored(this.#feed.store.put(this.prefix + name, JSON.stringify(record), options));
    await this.#feed.reached(entry.revision);
    return this.#written(entry);
  }

  /**
   * Changes several resources at one revision, all or none: readers, watchers and a crash see all of it or nothing.
   * `decide` is asked when it is this batch's turn, and again after a lost race; it looks at the resources with `get`
   * and `list`, must be pure, and names each resource once. Other writers of the collection wait meanwhile. What it
   * throws is thrown on, and so are ETAG_MISMATCH and BATCH_TOO_LARGE; nothing is written then.
   */
  batch(cause: Cause, decide: () => readonly Decision<T>[]): Promise<Decided<T>> {
    return this.#turns.runAlone(() => retry(() => this.#batch(cause, decide), this.#lostRace));
  }

  /** Throws what `batch` would reject with for the same decisions at this moment; nothing is written. */
  rehearse(decisions: readonly Decision<T>[]): void {
    checkBatch(this.#writesOf(decisions));
  }

  #writesOf(decisions: readonly Decision<T>[]): readonly BatchWrite[] {
    for (const { name, etag } of decisions) checkEtag(name, this.#byName.get(name), etag);
    return decisions.flatMap(({ name, record }): BatchWrite[] => {
      if (record === undefined) return [];
      if (record !== null) this.#check(name, record, this.#byName.get(name)?.record);
      const value = record === null ? undefined : JSON.stringify(record);
      return [{ key: this.prefix + name, value, ifRevision: this.#byName.get(name)?.revision ?? 0 }];
    });
  }

  async #batch(cause: Cause, decide: () => readonly Decision<T>[]): Promise<Decided<T>> {
    const decisions = decide();
    const writes = this.#writesOf(decisions);
    const { revision, entries } = await stored(this.#feed.store.batch(writes, cause));
    if (revision !== undefined) await this.#feed.reached(revision);
    const after = new Map(writes.map(({ key }, index) => [key, entries[index]]));
    const resources = decisions.map(({ name, record }) => {
      const entry = after.get(this.prefix + name);
      return record === undefined ? this.#byName.get(name) : entry && this.#written(entry);
    });
    return { revision, resources };
  }

  /** Deletes the resource if `check` does not throw; resolves to what it was, or undefined where there was none. */
  delete(
    name: string,
    cause: Cause,
    check: (current: Resource<T>) => void = () => {},
    etag?: string,
  ): Promise<Resource<T> | undefined> {
    return this.#turns.run(name, () => retry(() => this.#delete(name, cause, check, etag), this.#lostRace));
  }

  async #delete(
    name: string,
    cause: Cause,
    check: (current: Resource<T>) => void,
    etag?: string,
  ): Promise<Resource<T> | undefined> {
    const current = this.#byName.get(name);
    if (current === undefined) return undefined;
    checkEtag(name, current, etag);
    check(current);
    const options = { cause, ifRevision: current.revision };
    const revision = await stored(this.#feed.store.delete(this.prefix + name, options));
    if (revision !== undefined) await this.#feed.reached(revision);
    return current;
  }

  /** The newest kept changes of one resource, newest first, below `beforeRevision` if given. */
  async history(name: string, limit: number, beforeRevision?: number): Promise<readonly Delta<T>[]> {
    const changes = await this.#feed.store.history(this.prefix + name, limit, beforeRevision);
    return changes.map((change) => this.#delta(change));
  }

  /** The oldest kept change of one resource. */
  async oldest(name: string): Promise<Delta<T> | undefined> {
    const change = await this.#feed.store.oldest(this.prefix + name);
    return change && this.#delta(change);
  }

  /** After a lost race: waits until the winner's write is in the view. Any other error is the caller's. */
  readonly #lostRace = async (error: unknown): Promise<void> => {
    if (!(error instanceof RevisionConflict)) throw error;
    await this.#feed.reached(error.actualRevision);
    // The view stands still: to decide anew over it would lose the same race for ever.
    if (this.#feed.closed) throw HeliosError.of("SERVER_DRAINING", {}, { cause: error });
  };

  #apply(changes: readonly Change[]): void {
    // What was there before is what is here: to parse it again would cost as much as the change.
    const deltas = changes.map((change) => this.#delta(change, this.#byName.get(this.#nameOf(change.key))?.record));
    this.#sorted = undefined;
    for (const { name, resource } of deltas) {
      if (resource === undefined) this.#byName.delete(name);
      else this.#byName.set(name, resource);
    }
    this.#untold = deltas;
    for (const applier of this.#appliers) applier(deltas);
  }

  #tell(): void {
    const deltas = this.#untold;
    this.#untold = [];
    for (const delta of deltas) {
      for (const listener of this.#listeners) listener(delta);
      this.hub.publish(delta);
    }
  }

  #nameOf(key: string): string {
    return key.slice(this.prefix.length);
  }

  /** `before`, where it is given, is what the change says of it. */
  #delta(change: Change, before?: T): Delta<T> {
    const { key, revision, time, cause, previous, value, createTime } = change;
    return {
      name: this.#nameOf(key),
      revision,
      time,
      cause,
      ...(change.previousUnknown ? { beforeUnknown: true as const } : {}),
      ...(previous === undefined ? {} : { before: before ?? (JSON.parse(previous) as T) }),
      ...(value === undefined
        ? {}
        : { resource: this.#resource({ key, value, revision, createTime, updateTime: time }) }),
    };
  }

  /** What was written: as it was applied, or of its own where somebody has changed it since. */
  #written(entry: Entry): Resource<T> {
    const here = this.#byName.get(this.#nameOf(entry.key));
    return here?.revision === entry.revision ? here : this.#resource(entry);
  }

  #resource(entry: Entry): Resource<T> {
    return {
      name: this.#nameOf(entry.key),
      record: JSON.parse(entry.value) as T,
      revision: entry.revision,
      etag: `${this.#feed.store.incarnation.slice(0, 8)}-${entry.revision.toString(36)}`,
      createTime: entry.createTime,
      updateTime: entry.updateTime,
      size: entry.value.length,
    };
  }
}

/** ETAG_MISMATCH where an etag is given and not empty, and the present resource, if any, has another; see `ANY_ETAG`. */
export function checkEtag(
  name: string,
  current: Pick<Resource<unknown>, "etag"> | undefined,
  etag: string | undefined,
): void {
  if (etag === undefined || etag === "" || etag === current?.etag) return;
  if (etag === ANY_ETAG && current !== undefined) return;
  throw HeliosError.of("ETAG_MISMATCH", { name, etag: current?.etag ?? "(none: it does not exist)", given: etag });
}

/** What the store was asked to write. It fails with a lost race, or with STORE_UNAVAILABLE or another error of the domain. */
async function stored<R>(writing: Promise<R>): Promise<R> {
  try {
    return await writing;
  } catch (error) {
    if (error instanceof RevisionConflict || error instanceof HeliosError) throw error;
    throw HeliosError.of("STORE_UNAVAILABLE", { problem: messageOf(error) }, { cause: error });
  }
}
