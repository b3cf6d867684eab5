import { retry } from "../../kernel/async/retry.ts";
import { KeyedSerial } from "../async/serial.ts";
import type { Steps } from "../async/steps.ts";
import { HeliosError, messageOf } from "../errors/error.ts";
import { knownSize } from "../json/size.ts";
import { WHOLE_BYTES } from "../size.ts";
import { Hub } from "../watch/hub.ts";
import { checkBatch } from "./checks.ts";
import type { Feed } from "./feed.ts";
import { SortedItems } from "./sorted.ts";
import { type BatchWrite, type Cause, type Change, type Entry, MAX_BATCH_WRITES, RevisionConflict } from "./store.ts";

/** In place of an etag: matches any etag, but the resource must exist. */
const ANY_ETAG = "*";

/** A named record with the store's metadata. It is immutable: each change creates a new object. */
export interface Resource<T> {
  readonly name: string;
  readonly record: T;
  /** Revision of the store at the last change. */
  readonly revision: number;
  /** An opaque text that changes with every change of the resource. */
  readonly etag: string;
  /** Wall time in ms. */
  readonly createTime: number;
  /** Wall time in ms. */
  readonly updateTime: number;
  /** Length of the stored record, in characters. */
  readonly size: number;
}

/**
 * Most bytes that a character of a stored record takes when it is sent. The worst case is a digit and a comma: a number
 * takes up to thirteen bytes.
 */
const MOST_BYTES_PER_CHARACTER = 8;

/** Whether the resource is too large to be shown whole. Earlier versions had no limit. */
export function isOversize({ size, record }: Resource<unknown>): boolean {
  if (size * MOST_BYTES_PER_CHARACTER <= WHOLE_BYTES) return false;
  return typeof record === "object" && record !== null && knownSize(record) > WHOLE_BYTES;
}

/** The sizes of resources and of their changes, for a hub. */
export const sizing = {
  sizeOf: (item: Resource<unknown> | Delta<unknown>): number =>
    "record" in item ? item.size : (item.resource?.size ?? 0),
  isOversize: ({ resource }: Delta<unknown>): boolean => resource !== undefined && isOversize(resource),
};

/** A change of a resource. */
export interface Delta<T> {
  readonly name: string;
  readonly revision: number;
  /** Wall time in ms. */
  readonly time: number;
  readonly cause: Cause;
  /** The record before the change. Absent if there was none, or it is no longer stored. */
  readonly before?: T;
  /** Set if there was a record before, but it is no longer stored. */
  readonly beforeUnknown?: true;
  /** Absent if the resource was deleted. */
  readonly resource?: Resource<T>;
}

/**
 * A pure decision based on the current resource, which is undefined if it does not exist. Returns the record to write, or
 * undefined to change nothing.
 */
export type Decide<T> = (current: Resource<T> | undefined) => T | undefined;

/** What to write for one of several resources that change together. */
export interface Decision<T> {
  readonly name: string;
  /** `null` deletes the resource. Undefined leaves it unchanged. */
  readonly record: T | null | undefined;
  /** If given and not empty, the resource must have this etag. Otherwise the change fails with ETAG_MISMATCH. */
  readonly etag?: string | undefined;
}

/** The result of changing several resources together. */
export interface Decided<T> {
  /** The store's revision of the change. Undefined if nothing changed. */
  readonly revision: number | undefined;
  /** In the order of the decisions: each resource after the change, or undefined if it does not exist. */
  readonly resources: readonly (Resource<T> | undefined)[];
}

/**
 * The resources of one kind. The feed keeps them up to date in memory. Changes are made by compare-and-set on the store,
 * and are watched through `hub`. Records are plain JSON values.
 */
export class Collection<T> {
  readonly hub: Hub<Delta<T>, Resource<T>>;
  readonly prefix: string;
  readonly #feed: Feed;
  readonly #check: (name: string, after: T, before: T | undefined) => void;
  readonly #byName = new Map<string, Resource<T>>();
  /**
   * Serializes the writers of each resource in this process. Without turns, all but one writer would lose the race again
   * and again. The compare-and-set protects against other writers, such as a batch, which may write any resource.
   */
  readonly #turns = new KeyedSerial();
  readonly #sorted = new SortedItems<Resource<T>>();
  readonly #appliers: ((deltas: readonly Delta<T>[]) => void)[] = [];
  readonly #listeners: ((delta: Delta<T>) => void)[] = [];
  /** Changes that are applied, but not published yet. */
  #unpublished: readonly Delta<T>[] = [];

  /**
   * @param prefix ends with a slash.
   * @param check validates a record before it is written. If it throws, nothing is written, and the caller gets the error.
   */
  constructor(feed: Feed, prefix: string, check: (name: string, after: T, before: T | undefined) => void = () => {}) {
    this.#feed = feed;
    this.#check = check;
    this.prefix = prefix;
    this.hub = new Hub<Delta<T>, Resource<T>>(feed, {
      prefix,
      snapshot: () => this.list(),
      find: (name) => this.get(name),
      decode: (change) => this.#delta(change),
      ...sizing,
    });
    feed.attach(prefix, {
      load: (entry) => this.#replace(this.#nameOf(entry.key), this.#resource(entry)),
      apply: (changes) => this.#apply(changes),
      publish: () => this.#publish(),
    });
  }

  get(name: string): Resource<T> | undefined {
    return this.#byName.get(name);
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Returns all resources, sorted by name in code-unit order. */
  list(): readonly Resource<T>[] {
    return this.#sorted.list();
  }

  /** Sorts the resources in steps, so that the first `list` need not sort all of them at once. */
  sorting(): Steps<void> {
    return this.#sorted.preparing();
  }

  /** Returns all resources, in no particular order. */
  values(): Iterable<Resource<T>> {
    return this.#byName.values();
  }

  /**
   * Calls `applier` with the changes of each later revision. The collection has applied them, but has not published them
   * yet. Data derived from resources is updated here.
   */
  onApply(applier: (deltas: readonly Delta<T>[]) => void): void {
    this.#appliers.push(applier);
  }

  /** Calls `listener` with every later change, after all parts of the engine have applied its revision. */
  onChange(listener: (delta: Delta<T>) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Calls `decide` with the current resource, and writes its result by compare-and-set. If another writer was faster,
   * decides again. Resolves when the write is durable and applied, to the resource as written. If `decide` returns
   * undefined, resolves to the unchanged resource. If `decide` throws, nothing is written and the error is passed on.
   *
   * @param etag if given and not empty, the resource must have this etag (`ANY_ETAG` matches any). Otherwise the change
   * fails with ETAG_MISMATCH.
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
   * Changes several resources at one revision, all or none. Readers, watchers and a restart see either the whole batch or
   * nothing. `decide` is called when it is this batch's turn, and again after a lost race. It reads resources with `get`
   * and `list`, must be pure, and names each resource once. Other writers of the collection wait meanwhile. If `decide`
   * throws, or the batch fails with ETAG_MISMATCH or BATCH_TOO_LARGE, nothing is written and the error is passed on.
   */
  batch(cause: Cause, decide: () => readonly Decision<T>[]): Promise<Decided<T>> {
    return this.#turns.runAlone(() => retry(() => this.#batch(cause, decide), this.#lostRace));
  }

  /** Throws the error that `batch` would reject with for these decisions now. Writes nothing. */
  checkBatch(decisions: readonly Decision<T>[]): void {
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

  /** Deletes the resource unless `check` throws. Resolves to the deleted resource, or undefined if it did not exist. */
  delete(
    name: string,
    cause: Cause,
    check: (current: Resource<T>) => void = () => {},
    etag?: string,
  ): Promise<Resource<T> | undefined> {
    return this.#turns.run(name, () => retry(() => this.#delete(name, cause, check, etag), this.#lostRace));
  }

  /** Deletes resources, in batches. Each batch is atomic, all of them together are not. */
  async deleteAll(resources: readonly Resource<T>[], cause: Cause): Promise<void> {
    for (let start = 0; start < resources.length; start += MAX_BATCH_WRITES) {
      const some = resources.slice(start, start + MAX_BATCH_WRITES);
      await this.batch(cause, () => some.map(({ name }) => ({ name, record: null })));
    }
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

  /** Returns the newest stored changes of a resource, newest first. If `beforeRevision` is given, only changes below it. */
  async history(name: string, limit: number, beforeRevision?: number): Promise<readonly Delta<T>[]> {
    const changes = await this.#feed.store.history(this.prefix + name, limit, beforeRevision);
    return changes.map((change) => this.#delta(change));
  }

  /** Returns the oldest stored change of a resource. */
  async oldest(name: string): Promise<Delta<T> | undefined> {
    const change = await this.#feed.store.oldest(this.prefix + name);
    return change && this.#delta(change);
  }

  /** After a lost race, waits until the winner's write is applied. Passes on every other error. */
  readonly #lostRace = async (error: unknown): Promise<void> => {
    if (!(error instanceof RevisionConflict)) throw error;
    await this.#feed.reached(error.actualRevision);
    // The feed no longer applies changes, so another attempt would lose the same race forever.
    if (this.#feed.closed) throw HeliosError.of("SERVER_DRAINING", {}, { cause: error });
  };

  #apply(changes: readonly Change[]): void {
    // The previous record is already here. To parse it again would cost as much as the change itself.
    const deltas = changes.map((change) => this.#delta(change, this.#byName.get(this.#nameOf(change.key))?.record));
    for (const { name, resource } of deltas) this.#replace(name, resource);
    this.#unpublished = deltas;
    for (const applier of this.#appliers) applier(deltas);
  }

  #replace(name: string, resource: Resource<T> | undefined): void {
    if (resource === undefined) this.#byName.delete(name);
    else this.#byName.set(name, resource);
    this.#sorted.set(name, resource);
  }

  #publish(): void {
    const deltas = this.#unpublished;
    this.#unpublished = [];
    for (const delta of deltas) {
      for (const listener of this.#listeners) listener(delta);
      this.hub.publish(delta);
    }
  }

  #nameOf(key: string): string {
    return key.slice(this.prefix.length);
  }

  /** If `before` is given, it is used in place of the previous value in the change. */
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

  /** The resource that was written. If somebody has changed it since, it is built from the entry. */
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

/** Throws ETAG_MISMATCH if an etag is given that the resource does not have. See `ANY_ETAG`. */
export function checkEtag(
  name: string,
  current: Pick<Resource<unknown>, "etag"> | undefined,
  etag: string | undefined,
): void {
  if (etag === undefined || etag === "" || etag === current?.etag) return;
  if (etag === ANY_ETAG && current !== undefined) return;
  throw HeliosError.of("ETAG_MISMATCH", { name, etag: current?.etag ?? "(none: it does not exist)", given: etag });
}

/** Awaits a write. It fails with a lost race, with STORE_UNAVAILABLE, or with another error of the error tables. */
async function stored<R>(writing: Promise<R>): Promise<R> {
  try {
    return await writing;
  } catch (error) {
    if (error instanceof RevisionConflict || error instanceof HeliosError) throw error;
    throw HeliosError.of("STORE_UNAVAILABLE", { problem: messageOf(error) }, { cause: error });
  }
}
