import type { Clock } from "../../kernel/clock.ts";
import type { Feed } from "../store/feed.ts";

/**
 * Newest revisions whose time is remembered, to compute how far a watcher is behind; the lag behind older ones is given
 * as that of the oldest. @limit revisions
 */
const REMEMBERED = 4096;

/** Remembers when the newest revisions were made. */
export interface Timeline {
  /**
   * Returns how many ms ago the first revision after `revision` was made, or 0 if there is none. If that time is no longer
   * known, returns a lower bound.
   */
  ageAfter(revision: number): number;
}

/** Must be called before the feed starts. */
export function createTimeline(feed: Feed, clock: Clock): Timeline {
  const started = clock.monotonic();
  const times: number[] = [];
  /** The oldest revision whose time is remembered. */
  let first = 0;
  feed.attach("", {
    load: () => {},
    apply: ([change]) => {
      const { revision } = change ?? feed;
      if (times.length === 0) first = revision;
      times[revision % REMEMBERED] = clock.monotonic();
      first = Math.max(first, revision - REMEMBERED + 1);
    },
  });
  return {
    ageAfter(revision) {
      if (revision >= feed.revision) return 0;
      const made = times.length === 0 || revision + 1 < first ? undefined : times[(revision + 1) % REMEMBERED];
      const oldest = times.length < REMEMBERED ? started : times[first % REMEMBERED];
      return clock.monotonic() - (made ?? oldest ?? started);
    },
  };
}
