import { Collection, type Delta, type Resource } from "../../../src/core/store/collection.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import type { Store } from "../../../src/core/store/store.ts";
import type { Frame } from "../../../src/core/watch/frame.ts";
import { Hub } from "../../../src/core/watch/hub.ts";
import { encodeToken, type Position, scopeOf } from "../../../src/core/watch/token.ts";
import type { Item, WatchOptions } from "../../../src/core/watch/types.ts";
import type { Watcher } from "../../../src/core/watch/watcher.ts";
import { createManualClock, type ManualClock } from "../../../src/kernel/clock.ts";
import { turn } from "../../support/turns.ts";

export interface Thing {
  readonly n: number;
}

export type ThingWatcher = Watcher<Delta<Thing>, Resource<Thing>>;
export type ThingFrame = Frame<Delta<Thing>, Resource<Thing>>;

export interface Things {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly feed: Feed;
  readonly things: Collection<Thing>;
  /** Watches the same changes as events, without an initial state. */
  readonly events: Hub<Item, Item>;
  /** Every change of a thing so far, in order. */
  readonly changes: Delta<Thing>[];
  put(name: string, n: number): Promise<void>;
  remove(name: string): Promise<void>;
  watch(options?: Partial<WatchOptions>): ThingWatcher;
  watchEvents(options?: Partial<WatchOptions>): Watcher<Item, Item>;
}

export const HEARTBEAT_MS = 1000;

/** A token of a watch of all things. */
export const tokenAt = (revision: number, other: Partial<Position> = {}): string =>
  encodeToken({ incarnation: "incarnation-1", scope: scopeOf("thing/", []), ...other, revision });
const cause = { action: "Test" };

/** A collection of things over a store in memory, beside a second one whose changes do not concern the watchers. */
export async function makeThings(options: { keptChanges?: number; store?: Store } = {}): Promise<Things> {
  const clock = createManualClock();
  const { keptChanges = 200_000, store = createMemoryStore({ clock, incarnation: "incarnation-1", keptChanges }) } =
    options;
  const feed = new Feed(store);
  const things = new Collection<Thing>(feed, "thing/");
  const events = new Hub<Item, Item>(feed, {
    prefix: "thing/",
    decode: ({ key, revision }) => ({ name: key.slice(6), revision }),
  });
  const changes: Delta<Thing>[] = [];
  things.onChange((delta) => {
    changes.push(delta);
    events.publish({ name: delta.name, revision: delta.revision });
  });
  await feed.start();
  const defaults = { clock, names: [], resumeToken: "", onCompacted: "snapshot" as const, heartbeatMs: HEARTBEAT_MS };
  return {
    clock,
    store,
    feed,
    things,
    events,
    changes,
    async put(name, n) {
      await things.change(name, cause, () => ({ n }));
    },
    async remove(name) {
      await things.delete(name, cause);
    },
    watch: (given = {}) => things.hub.watch({ ...defaults, ...given }),
    watchEvents: (given = {}) => events.watch({ ...defaults, ...given }),
  };
}

/** The value of a promise, if it resolves without a timer. */
export async function soon<T>(promise: Promise<T>): Promise<T> {
  const late = Symbol("late");
  let turns = 0;
  const patience = new Promise<typeof late>((resolve) => {
    const turn = (): void => {
      turns += 1;
      if (turns < 20) setImmediate(turn);
      else resolve(late);
    };
    turn();
  });
  const first = await Promise.race([promise, patience]);
  if (first === late) throw new Error("nothing came");
  return first as T;
}

/** All frames up to the heartbeat at the store's revision. */
export async function drain<I, S>(
  clock: ManualClock,
  next: () => Promise<Frame<I, S> | undefined>,
): Promise<Frame<I, S>[]> {
  const frames: Frame<I, S>[] = [];
  for (;;) {
    const pending = next();
    let arrived = false;
    void pending
      .finally(() => {
        arrived = true;
      })
      .catch(() => {});
    for (let passed = 0; passed < 5 && !arrived; passed += 1) await turn();
    if (!arrived) clock.advance(HEARTBEAT_MS);
    const frame = await soon(pending);
    if (frame === undefined) return frames;
    frames.push(frame);
    if (frame.kind === "heartbeat") return frames;
  }
}

/** The state that results from the frames: number by name. */
export function stateOf(
  frames: readonly ThingFrame[],
  start: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  let state = new Map(start);
  let starting = false;
  for (const frame of frames) {
    if (frame.kind === "snapshot") {
      if (!starting) state = new Map();
      starting = !frame.complete;
      for (const { name, record } of frame.items) state.set(name, record.n);
    }
    if (frame.kind === "changes") {
      for (const { name, resource } of frame.items) {
        if (resource === undefined) state.delete(name);
        else state.set(name, resource.record.n);
      }
    }
  }
  return state;
}

/** The contents of the collection: number by name. */
export function present({ things }: Things): Map<string, number> {
  return new Map(things.list().map(({ name, record }) => [name, record.n]));
}

/** The revisions of the changes in the frames. */
export function revisionsOf(frames: readonly Frame<Item, unknown>[]): number[] {
  return frames.flatMap((frame) => (frame.kind === "changes" ? frame.items.map(({ revision }) => revision) : []));
}

/** A store that notifies its listeners only when the test lets it, as a replicated one might. */
export function delayed(store: Store): Store & { deliver(): void } {
  const undelivered: (() => void)[] = [];
  return {
    get incarnation() {
      return store.incarnation;
    },
    reincarnate: () => store.reincarnate(),
    writable: store.writable,
    answers: store.answers,
    daily: store.daily,
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    scan: (visit) => store.scan(visit),
    put: (key, value, options) => store.put(key, value, options),
    delete: (key, options) => store.delete(key, options),
    batch: (writes, cause) => store.batch(writes, cause),
    changes: (prefix, after, limit) => store.changes(prefix, after, limit),
    history: (key, limit, before) => store.history(key, limit, before),
    oldest: (key) => store.oldest(key),
    compact: (through) => store.compact(through),
    close: () => store.close(),
    watch: (after, listener) => store.watch(after, (changes) => void undelivered.push(() => listener(changes))),
    deliver() {
      for (const run of undelivered.splice(0)) run();
    },
  };
}
