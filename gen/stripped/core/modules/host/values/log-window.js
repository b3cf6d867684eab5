/** Message of the log entry that counts the dropped entries. */
export const DROPPED = "log entries were dropped";

/**
 * Limits log entries to `most` in a second. The returned function returns whether one more entry may be logged. Before the
 * first entry after a second with dropped entries, it calls `logDropped` with their number; that entry is not counted.
 * `now`: in ms.
 */
export function createLogWindow(most        , now              , logDropped                           )                {
  let start = Number.NEGATIVE_INFINITY;
  let entries = 0;
  let dropped = 0;
  return () => {
    const time = now();
    if (time - start >= 1000) {
      const before = dropped;
      [start, entries, dropped] = [time, 0, 0];
      if (before > 0) logDropped(before);
    }
    entries += 1;
    if (entries <= most) return true;
    dropped += 1;
    return false;
  };
}
