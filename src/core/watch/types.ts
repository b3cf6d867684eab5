import type { Clock } from "../../kernel/clock.ts";
import type { Waker } from "../async/polled.ts";
import type { Feed } from "../store/feed.ts";
import type { Change } from "../store/store.ts";

/** A named change or event at a revision. */
export interface Item {
  readonly name: string;
  readonly revision: number;
}

export interface HubSource<I extends Item, S extends { readonly name: string }> {
  /** Prefix of the keys whose changes are in the store's journal. */
  readonly prefix: string;
  /** Returns the state at the feed's revision. Absent for events, which have no state. */
  snapshot?(): readonly S[];
  /** Returns one item of that state, or undefined if there is none of that name. Absent if `snapshot` is. */
  find?(name: string): S | undefined;
  /**
   * Turns a change in the journal into an item, or undefined if the change is not shown. Must agree with what is published.
   */
  decode(change: Change): I | undefined;
  /** Approximate size of an item in characters. Absent if all items are small. */
  sizeOf?(item: I | S): number;
  /** Whether a change, stored by an earlier version, is too large to be sent whole. Absent if none can be. */
  isOversize?(item: I): boolean;
}

/** Upper bound of the bytes that an item takes in a message. */
export type SizeOf<I, S> = (item: I | S) => number;

/** What a client says about itself. */
export interface ClientInfo {
  /** Its library with the version, for people. */
  readonly library: string;
  /** 0: unknown. */
  readonly contractVersion: number;
  /** The newest kernel by which it decides flags. 0: it does not. */
  readonly kernelVersion: number;
}

/** Identity of the client at the other end of a watch. */
export interface WatchIdentity {
  /** Unique id of the stream. */
  readonly watchId: string;
  /** Empty if the client gave no id. */
  readonly clientId: string;
  /** Address and port, for people. */
  readonly peer: string;
  /** Absent if the client did not say it. */
  readonly info?: ClientInfo | undefined;
}

export interface WatchOptions {
  readonly clock: Clock;
  /** Names to watch. Empty means all. */
  readonly names: readonly string[];
  /**
   * The last token that the watcher received. If empty, the watch starts with a snapshot, or with the next event if there
   * is no state.
   */
  readonly resumeToken: string;
  /**
   * What to do if the changes since the token are no longer stored: start over with a snapshot, or fail with
   * REVISION_COMPACTED. A hub without state always fails.
   */
  readonly onCompacted: "snapshot" | "error";
  /** Time in ms without a frame after which a heartbeat is sent. Above 0. */
  readonly heartbeatMs: number;
  /** Absent for a watcher within this process, which is not listed. */
  readonly who?: WatchIdentity;
}

/** A frame with changes. */
export interface ChangesFrame<I> {
  readonly kind: "changes";
  readonly items: readonly I[];
  readonly revision: number;
  readonly resumeToken: string;
}

/** The kinds of frames that a watcher reads. */
export interface Watched<I extends Item, S extends { readonly name: string }> {
  readonly feed: Feed;
  readonly source: HubSource<I, S>;
  /** See `Hub`. */
  share(scope: string, items: readonly I[], revision: number, token: () => string): ChangesFrame<I>;
  /** Tells a reader that there is something to read, once everything that is being published is there. */
  wake(waker: Waker): void;
}
