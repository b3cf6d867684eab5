import type { Clock } from "../../kernel/clock.ts";
import { HeliosError } from "../errors/error.ts";
import type { Log } from "../log.ts";
import { Collection, type Delta } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import type { Hub } from "../watch/hub.ts";
import { Epochs } from "./epochs.ts";
import { LiveBreaker, type Moved } from "./live/live.ts";
import type { BreakerRecord, BreakerResource } from "./record.ts";

export interface BreakerViewDeps {
  /** Not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly newId: () => string;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly log: Log;
}

/** The breakers in memory, kept up to date by the feed: their records, and the machine of each at work. */
export interface BreakerView {
  readonly collection: Collection<BreakerRecord>;
  readonly hub: Hub<Delta<BreakerRecord>, BreakerResource>;
  readonly epochs: Epochs;
  /** Whether it was closed, or the feed was. */
  readonly closed: boolean;
  /** Call it after the feed was started: each breaker continues from its record. Throws BREAKER_STATE_INVALID. */
  start(): void;
  /** Throws BREAKER_NOT_FOUND. */
  get(name: string): LiveBreaker;
  /** Throws BREAKER_NOT_FOUND, and SERVER_DRAINING after `close`. */
  inService(name: string): LiveBreaker;
  /** Undefined if there is no such breaker. */
  find(name: string): LiveBreaker | undefined;
  /** By name. */
  list(): readonly LiveBreaker[];
  /** Calls `listener` during each transition of that breaker, until the returned function is called. */
  onTransition(name: string, listener: (moved: Moved) => void): () => void;
  /** Stops all breakers. */
  close(): void;
}

/** Actions that are logged here. A machine logs its own transitions when they happen. */
const LOGGED: ReadonlySet<string> = new Set(["GetOrCreateBreaker", "UpdateBreaker", "DeleteBreaker"]);

export function createBreakerView(deps: BreakerViewDeps): BreakerView {
  const { feed, log } = deps;
  const collection = new Collection<BreakerRecord>(feed, "breaker/");
  const epochs = new Epochs(collection, feed);
  const live = new Map<string, LiveBreaker>();
  const listeners = new Map<string, Set<(moved: Moved) => void>>();
  let closed = false;

  const add = (resource: BreakerResource): void => {
    const onMove = (moved: Moved): void => {
      for (const listener of listeners.get(resource.name) ?? []) listener(moved);
    };
    const breaker = new LiveBreaker(resource, collection, { ...deps, onMove });
    live.set(resource.name, breaker);
    breaker.resume();
  };
  collection.onChange(({ name, resource, revision, cause }) => {
    const known = live.get(name);
    if (resource === undefined) {
      known?.deleted(revision);
      if (known !== undefined) epochs.ended(name, known.machine.epoch);
      live.delete(name);
    } else if (known === undefined) {
      add(resource);
    } else {
      known.follow(resource, cause);
    }
    if (LOGGED.has(cause.action)) log("breakers", "info", "breaker changed", { name, revision, ...cause });
  });

  const get = (name: string): LiveBreaker => {
    const breaker = live.get(name);
    if (breaker === undefined) throw HeliosError.of("BREAKER_NOT_FOUND", { name });
    return breaker;
  };

  return {
    collection,
    hub: collection.hub,
    epochs,
    get closed() {
      return closed || feed.closed;
    },
    start() {
      for (const resource of collection.list()) add(resource);
    },
    get,
    inService(name) {
      if (closed || feed.closed) throw HeliosError.of("SERVER_DRAINING", {});
      return get(name);
    },
    find: (name) => live.get(name),
    list: () => collection.list().flatMap(({ name }) => live.get(name) ?? []),
    onTransition(name, listener) {
      const own = listeners.get(name) ?? new Set();
      listeners.set(name, own.add(listener));
      return () => {
        own.delete(listener);
        if (own.size === 0 && listeners.get(name) === own) listeners.delete(name);
      };
    },
    close() {
      closed = true;
      for (const breaker of live.values()) breaker.stop();
    },
  };
}
