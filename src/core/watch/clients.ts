import type { Clock } from "../../kernel/clock.ts";
import { checkSpan } from "../errors/check-span.ts";
import { HeliosError } from "../errors/error.ts";
import type { Feed } from "../store/feed.ts";
import type { AnyWatcher, HubObserver } from "./hub.ts";
import type { ClientPosition, OpenWatch } from "./positions.ts";
import type { Timeline } from "./timeline.ts";
import { Wait, type WaitOptions, type WaitResult } from "./wait.ts";

/**
 * Calls of `WaitForRevision` that wait at the same time; further ones are refused with `TOO_MANY_WAITS`. @limit calls
 */
export const MOST_WAITS = 1000;

interface Entry {
  readonly watcher: AnyWatcher;
  readonly clientId: string;
  readonly rpc: string;
  readonly since: number;
  acknowledged: number | undefined;
}

export interface ClientsDeps {
  readonly feed: Feed;
  readonly clock: Clock;
  readonly timeline: Timeline;
  /** Called when a client with an id opens or ends a stream. */
  readonly onPresence: (what: "Connect" | "Disconnect", clientId: string, rpc: string, peer: string) => void;
}

/**
 * The clients that watch, the revisions that they have applied, and the calls that wait for that. A client is known while
 * it has an open watch with its id.
 */
export class Clients {
  readonly #deps: ClientsDeps;
  readonly #entries = new Map<AnyWatcher, Entry>();
  readonly #byClient = new Map<string, Set<Entry>>();
  readonly #waits = new Set<Wait>();
  #ended: HeliosError | undefined;

  constructor(deps: ClientsDeps) {
    this.#deps = deps;
  }

  /** Returns the observer for a hub's watchers. `rpc` is the name of the watch in the contract. */
  observer(rpc: string): HubObserver {
    return {
      opened: (watcher) => this.#opened(watcher, rpc),
      closed: (watcher) => this.#closed(watcher),
    };
  }

  /** Lists the open watches, those furthest behind first. */
  list(): readonly OpenWatch[] {
    return [...this.#entries.values()]
      .map((entry) => this.#describe(entry))
      .sort((a, b) => b.lag - a.lag || b.lagMs - a.lagMs || a.since - b.since);
  }

  /**
   * Notes that a client has applied everything up to `revision`: on one stream, or on all its streams if `watchId` is
   * empty. It counts only as far as the stream has delivered. Returns the number of streams. Throws REVISION_UNKNOWN for a
   * revision that the store has not reached.
   */
  acknowledge(clientId: string, revision: number, watchId = ""): number {
    this.#checkRevision(revision);
    const streams = [...(this.#byClient.get(clientId) ?? [])].filter(
      ({ watcher }) => watchId === "" || watcher.options.who?.watchId === watchId,
    );
    for (const entry of streams) {
      entry.acknowledged = Math.max(entry.acknowledged ?? 0, Math.min(revision, entry.watcher.delivered));
    }
    if (streams.length > 0) this.#moved(clientId);
    return streams.length;
  }

  /**
   * Waits until enough clients have acknowledged a revision. After the timeout, returns the clients that have not. Rejects
   * with REVISION_UNKNOWN, TOO_MANY_WAITS, the error that `end` was called with, or the signal's reason.
   */
  async waitFor(options: WaitOptions): Promise<WaitResult> {
    options.signal?.throwIfAborted();
    checkSpan("timeoutMs", options.timeoutMs, { mayBeInfinite: true });
    if (this.#ended !== undefined) throw this.#ended;
    const { incarnation } = this.#deps.feed.store;
    if (options.incarnation !== undefined && options.incarnation !== incarnation) {
      throw this.unknown(options.revision);
    }
    this.#checkRevision(options.revision);
    if (this.#waits.size >= MOST_WAITS) throw HeliosError.of("TOO_MANY_WAITS", { limit: MOST_WAITS });
    for (const { watcher, clientId } of this.#entries.values()) {
      if (clientId !== "") watcher.requestFrame(options.revision);
    }
    const positions = [...this.#byClient.keys()].map((clientId) => this.#position(clientId));
    const wait = new Wait(options, this.#deps.clock, positions);
    this.#waits.add(wait);
    try {
      const { reached, acknowledged, pending } = await wait.over;
      const unnamed = [...this.#entries.values()].filter(({ clientId }) => clientId === "").length;
      return { reached, acknowledged, pending: pending.map((clientId) => this.#position(clientId)), unnamed };
    } finally {
      this.#waits.delete(wait);
    }
  }

  /**
   * Returns REVISION_UNKNOWN for a revision that the store has not reached. A revision that is too large for a number is
   * given as text.
   */
  unknown(revision: number | string): HeliosError {
    const { store, revision: head } = this.#deps.feed;
    return HeliosError.of("REVISION_UNKNOWN", { revision, head_revision: head, incarnation: store.incarnation });
  }

  /** Ends every wait with that error, and refuses new ones. */
  end(error: HeliosError): void {
    this.#ended = error;
    for (const wait of this.#waits) wait.fail(error);
  }

  #opened(watcher: AnyWatcher, rpc: string): void {
    const { clientId = "", peer = "" } = watcher.options.who ?? {};
    const entry: Entry = { watcher, clientId, rpc, since: this.#deps.clock.now(), acknowledged: undefined };
    this.#entries.set(watcher, entry);
    if (clientId === "") return;
    const streams = this.#byClient.get(clientId) ?? new Set();
    this.#byClient.set(clientId, streams.add(entry));
    for (const { revision } of this.#waits) watcher.requestFrame(revision);
    this.#moved(clientId);
    this.#deps.onPresence("Connect", clientId, rpc, peer);
  }

  #closed(watcher: AnyWatcher): void {
    const entry = this.#entries.get(watcher);
    if (entry === undefined) return;
    this.#entries.delete(watcher);
    const { clientId, rpc } = entry;
    const streams = this.#byClient.get(clientId);
    if (streams === undefined) return;
    streams.delete(entry);
    if (streams.size === 0) this.#byClient.delete(clientId);
    this.#moved(clientId);
    this.#deps.onPresence("Disconnect", clientId, rpc, watcher.options.who?.peer ?? "");
  }

  #moved(clientId: string): void {
    if (this.#waits.size === 0) return;
    const position = this.#position(clientId);
    for (const wait of this.#waits) wait.moved(position);
  }

  #position(clientId: string): ClientPosition {
    const streams = [...(this.#byClient.get(clientId) ?? [])];
    if (streams.length === 0) return { clientId, watches: 0, acknowledged: 0, delivered: 0 };
    return {
      clientId,
      watches: streams.length,
      acknowledged: Math.min(...streams.map(({ acknowledged = 0 }) => acknowledged)),
      delivered: Math.min(...streams.map(({ watcher }) => watcher.delivered)),
    };
  }

  #describe({ watcher, clientId, rpc, since, acknowledged }: Entry): OpenWatch {
    const { delivered, caughtUp, waiting, options } = watcher;
    const { feed, timeline } = this.#deps;
    const outstanding = !caughtUp || (acknowledged !== undefined && acknowledged < delivered);
    const place = acknowledged ?? delivered;
    return {
      watchId: options.who?.watchId ?? "",
      clientId,
      peer: options.who?.peer ?? "",
      info: options.who?.info,
      rpc,
      names: options.names.length,
      since,
      delivered,
      acknowledged,
      lag: outstanding ? feed.revision - place : 0,
      lagMs: outstanding ? timeline.ageAfter(place) : 0,
      waiting,
    };
  }

  #checkRevision(revision: number): void {
    if (revision > this.#deps.feed.revision) throw this.unknown(revision);
  }
}
