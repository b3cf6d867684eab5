import type { ClientInfo } from "./types.ts";

/** An open watch. */
export interface OpenWatch {
  readonly watchId: string;
  /** Empty if the client gave no id. */
  readonly clientId: string;
  readonly peer: string;
  /** Undefined if the client did not say it. */
  readonly info: ClientInfo | undefined;
  /** The name of the watch in the contract, such as `WatchFlags`. */
  readonly rpc: string;
  /** Number of selected names. 0 means all. */
  readonly names: number;
  /** Wall time in ms. */
  readonly since: number;
  /** The stream has delivered everything up to this revision. */
  readonly delivered: number;
  /** The client has acknowledged everything up to this revision. Undefined if it never did. */
  readonly acknowledged: number | undefined;
  /** Number of revisions that the watch is behind. 0 if no watched change is undelivered. */
  readonly lag: number;
  /** Time in ms for which the watch has been behind. */
  readonly lagMs: number;
  /** Number of changes in its queue. */
  readonly waiting: number;
}

/** A client and its position. If it has several streams or processes, the one that is furthest behind counts. */
export interface ClientPosition {
  readonly clientId: string;
  readonly watches: number;
  readonly acknowledged: number;
  readonly delivered: number;
}
