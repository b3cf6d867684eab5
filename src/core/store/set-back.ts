import type { Clock } from "../../kernel/clock.ts";
import { messageOf } from "../errors/error.ts";
import type { Log } from "../log.ts";
import type { Feed } from "./feed.ts";

/** The store was found to be older than what its clients have seen. */
export interface SetBack {
  /** Wall time in ms at which it was noticed. */
  readonly time: number;
  /** The revision that a client had seen. `head` is the newest revision that the store had. */
  readonly seen: number;
  readonly head: number;
}

/**
 * Detects that the database was replaced by an older copy: a client resumes with a token that is ahead of the store. The
 * store then takes a new incarnation, so that every client starts over with a snapshot. Watches that were resumed with a
 * token start over at once. A store can only be replaced while it is closed, so this happens once per start: a client that
 * forges a token costs every client one snapshot, and cannot do it again.
 */
export function watchForSetBack(
  feed: Feed,
  { clock, log, startOver }: { readonly clock: Clock; readonly log: Log; readonly startOver: () => void },
): () => SetBack | undefined {
  let found: SetBack | undefined;
  feed.onAhead((seen) => {
    if (found !== undefined) return;
    const before = feed.store.incarnation;
    found = { time: clock.now(), seen, head: feed.revision };
    feed.store.reincarnate().then(
      () => {
        const { incarnation } = feed.store;
        log("store", "error", SET_BACK, { seen, head: found?.head, before, incarnation });
        startOver();
      },
      (error: unknown) => {
        // The attempt failed. The next such token starts another one.
        found = undefined;
        log("store", "error", "the store was replaced by an older copy, and could not take a new incarnation", {
          error: messageOf(error),
        });
      },
    );
  });
  return () => found;
}

const SET_BACK =
  "a client has seen a revision that the store does not have: the store was replaced by an older copy; every client starts over";
