import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import type { Store } from "../../../src/core/store/store.ts";
import { systemClock } from "../../../src/kernel/clock.ts";

export interface Refusing {
  readonly store: Store;
  /** Refuses the next writes and deletions of keys with the prefix, after a number of successful ones. */
  refuse(prefix: string, times: number, taken?: number): void;
  /** The number of refused writes. */
  refused(): number;
}

/** A store on a disk that can be full. It writes to `inner`. */
export function refusing(
  inner: Store = createMemoryStore({ clock: systemClock, incarnation: "incarnation" }),
): Refusing {
  let [prefix, left, toTake, refused] = ["", 0, 0, 0];
  const written = <T>(key: string, write: () => Promise<T>): Promise<T> => {
    if (left === 0 || !key.startsWith(prefix)) return write();
    if (toTake > 0) {
      toTake -= 1;
      return write();
    }
    left -= 1;
    refused += 1;
    return Promise.reject(new Error("disk full"));
  };
  const store: Store = {
    incarnation: inner.incarnation,
    reincarnate: () => inner.reincarnate(),
    writable: inner.writable,
    answers: inner.answers,
    daily: inner.daily,
    get: (key) => inner.get(key),
    list: (keys) => inner.list(keys),
    scan: (visit) => inner.scan(visit),
    put: (key, value, options) => written(key, () => inner.put(key, value, options)),
    delete: (key, options) => written(key, () => inner.delete(key, options)),
    batch(writes, cause) {
      const [first] = writes.filter(({ key }) => key.startsWith(prefix));
      return first === undefined ? inner.batch(writes, cause) : written(first.key, () => inner.batch(writes, cause));
    },
    changes: (keys, after, limit) => inner.changes(keys, after, limit),
    history: (key, limit, before) => inner.history(key, limit, before),
    oldest: (key) => inner.oldest(key),
    watch: (after, listener) => inner.watch(after, listener),
    compact: (through) => inner.compact(through),
    close: () => inner.close(),
  };
  return {
    store,
    refuse(keys, times, taken = 0) {
      [prefix, left, toTake] = [keys, times, taken];
    },
    refused: () => refused,
  };
}
