/** A watch that is open, of whoever said who they are. */
export interface OpenWatch {
  readonly watchId: string;
  /** Empty: it gave none. */
  readonly clientId: string;
  readonly peer: string;
  /** What the contract calls it, such as `WatchFlags`. */
  readonly rpc: string;
  /** How many names it selected; 0: all. */
  readonly names: number;
  /** Wall time in ms. */
  readonly since: number;
  /** Up to where it has been told everything. */
  readonly told: number;
  /** Up to where it said that it has applied everything; undefined: it never did. */
  readonly acknowledged: number | undefined;
  /** Revisions that it is behind; 0 where nothing of what it watches is outstanding. */
  readonly lag: number;
  /** For how long. */
  readonly lagMs: number;
  /** Changes held for it. */
  readonly waiting: number;
}

/** A client and where it stands: of several streams, or processes of the same id, the one furthest behind. */
export interface ClientPosition {
  readonly clientId: string;
  readonly watches: number;
  readonly acknowledged: number;
  readonly told: number;
}
