import type { Clock } from "../../kernel/clock.ts";
import type { Feed } from "../store/feed.ts";
import type { Change } from "../store/store.ts";

/** What a hub tells of: something with a name, at a revision. */
export interface Item {
  readonly name: string;
  readonly revision: number;
}

export interface HubSource<I extends Item, S extends { readonly name: string }> {
  /** Where in the store's journal the changes are. */
  readonly prefix: string;
  /** Everything as it is at the feed's revision; absent where there is no present state, only events. */
  snapshot?(): readonly S[];
  /** What a change in the journal tells; undefined: nothing. Must agree with what is published. */
  decode(change: Change): I | undefined;
  /** About how many characters it holds; absent: they are all small. */
  sizeOf?(item: I | S): number;
  /** Whether a change, of an earlier version, is too large to be told whole; absent: none is. */
  isOversize?(item: I): boolean;
}

/** Bytes that it takes at most to tell of an item. */
export type SizeOf<I, S> = (item: I | S) => number;

/** Who is at the other end of a watch. */
export interface WatchIdentity {
  /** Names the stream: never the same twice. */
  readonly watchId: string;
  /** Empty: none was given. */
  readonly clientId: string;
  /** Address and port, for people. */
  readonly peer: string;
}

export interface WatchOptions {
  readonly clock: Clock;
  /** Only these; empty: all. */
  readonly names: readonly string[];
  /** The last token that the watcher got; empty: start with a snapshot (or, without state, with what comes). */
  readonly resumeToken: string;
  /**
   * What to do when the changes since the token are not kept: start over with a snapshot, or fail with
   * REVISION_COMPACTED; a hub without state always fails.
   */
  readonly onCompacted: "snapshot" | "error";
  /** A heartbeat follows when there was nothing to tell for so long; above 0. */
  readonly heartbeatMs: number;
  /** Absent: a watcher within this process, of no interest to anybody else. */
  readonly who?: WatchIdentity;
}

/** What a watcher reads: what happens, and what that tells. */
export interface Watched<I extends Item, S extends { readonly name: string }> {
  readonly feed: Feed;
  readonly source: HubSource<I, S>;
}
