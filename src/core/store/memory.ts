import type { Clock } from "../clock.ts";
import {
  type Change,
  type Entry,
  KEPT_CHANGES_PER_KEY,
  RevisionCompacted,
  RevisionConflict,
  type Store,
  type WriteOptions,
} from "./store.ts";
import { Watchers } from "./watchers.ts";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly incarnation: string;
  /** Changes kept in the journal before the oldest are compacted away. Default 100,000. */
  readonly keptChanges?: number;
}

/** A store that lives as long as its process. */
export function createMemoryStore({ clock, incarnation, keptChanges = 100_000 }: MemoryStoreOptions): Store {
  const entries = new Map<string, Entry>();
  const watchers = new Watchers();
  let journal: Change[] = [];
  let revision = 0;
  let compacted = 0;
  let closed = false;

  const checkOpen = (): void => {
    if (closed) throw new Error("the store is closed");
  };

  const checkKept = (afterRevision: number): void => {
    if (afterRevision < compacted || afterRevision > revision) throw new RevisionCompacted(afterRevision, compacted);
  };

  const checkRevision = (key: string, { ifRevision }: WriteOptions): Entry | undefined => {
    checkOpen();
    const current = entries.get(key);
    const actual = current?.revision ?? 0;
    if (ifRevision !== undefined && ifRevision !== actual) throw new RevisionConflict(key, ifRevision, actual);
    return current;
  };

  const append = (change: Change): void => {
    revision = change.revision;
    journal.push(change);
    if (revision - compacted > keptChanges * 1.1) forget(revision - keptChanges);
    watchers.tell(change);
  };

  const forget = (through: number): void => {
    compacted = Math.max(compacted, Math.min(through, revision));
    const newer = new Map<string, number>();
    const kept: Change[] = [];
    for (const change of journal.toReversed()) {
      const count = newer.get(change.key) ?? 0;
      newer.set(change.key, count + 1);
      if (change.revision > compacted || count < KEPT_CHANGES_PER_KEY) kept.push(change);
    }
    journal = kept.reverse();
  };

  return {
    incarnation,
    async get(key) {
      checkOpen();
      return entries.get(key);
    },
    async list(prefix) {
      checkOpen();
      const found = [...entries.values()].filter((entry) => entry.key.startsWith(prefix));
      return { entries: found.sort((a, b) => (a.key < b.key ? -1 : 1)), revision };
    },
    async put(key, value, options) {
      const current = checkRevision(key, options);
      const time = clock.now();
      const entry = { key, value, revision: revision + 1, createTime: current?.createTime ?? time, updateTime: time };
      entries.set(key, entry);
      append({
        key,
        revision: entry.revision,
        value,
        ...(current === undefined ? {} : { previous: current.value }),
        time,
        createTime: entry.createTime,
        cause: options.cause,
      });
      return entry;
    },
    async delete(key, options) {
      const current = checkRevision(key, options);
      if (current === undefined) return undefined;
      entries.delete(key);
      const { value: previous, createTime } = current;
      append({ key, revision: revision + 1, previous, time: clock.now(), createTime, cause: options.cause });
      return revision;
    },
    async changes(prefix, afterRevision, limit) {
      checkOpen();
      checkKept(afterRevision);
      const found: Change[] = [];
      for (let index = firstAfter(journal, afterRevision); index < journal.length; index += 1) {
        const change = journal[index];
        if (change === undefined || !change.key.startsWith(prefix)) continue;
        found.push(change);
        if (found.length === limit) return { changes: found, through: change.revision };
      }
      return { changes: found, through: revision };
    },
    async history(key, limit, beforeRevision = Number.POSITIVE_INFINITY) {
      checkOpen();
      const found: Change[] = [];
      for (let index = journal.length - 1; index >= 0 && found.length < limit; index -= 1) {
        const change = journal[index];
        if (change?.key === key && change.revision < beforeRevision) found.push(change);
      }
      return found;
    },
    async watch(afterRevision, listener) {
      checkOpen();
      checkKept(afterRevision);
      for (const change of journal.slice(firstAfter(journal, afterRevision))) listener(change);
      return watchers.add(listener);
    },
    async compact(throughRevision) {
      checkOpen();
      forget(throughRevision);
    },
    async close() {
      closed = true;
      watchers.clear();
    },
  };
}

/** The index of the first change after a revision, by bisection: the journal is in order but may have holes. */
function firstAfter(journal: readonly Change[], afterRevision: number): number {
  let low = 0;
  let high = journal.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((journal[middle]?.revision ?? 0) <= afterRevision) low = middle + 1;
    else high = middle;
  }
  return low;
}
