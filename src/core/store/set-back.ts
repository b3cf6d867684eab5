import type { Clock } from "../../kernel/clock.ts";
import { messageOf } from "../errors/error.ts";
import type { Log } from "../log.ts";
import type { Feed } from "./feed.ts";

/** That the store was found to be older than what its clients had seen. */
export interface SetBack {
  /** Wall time in ms at which it was found. */
  readonly time: number;
  /** The revision that a client had seen, and the newest that the store had. */
  readonly seen: number;
  readonly head: number;
}

/**
 * Finds that an older copy of the database took its place, by a token that is ahead of it: the store takes another
 * identity then, so that every client starts over by a snapshot, and those that are here already by a token do so at
 * once. A store can only be set back while it is closed, so this is done once for each start: whoever makes a token up
 * costs every client a snapshot, and cannot do it again.
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
        // The next such token is evidence anew.
        found = undefined;
        log("store", "error", "the store was set back and could not take another identity", {
          error: messageOf(error),
        });
      },
    );
  });
  return () => found;
}

const SET_BACK =
  "a client has seen a revision that the store has not: an older copy took its place; every client starts over";
