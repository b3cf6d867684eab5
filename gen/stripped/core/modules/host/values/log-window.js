/** What a gate says of the entries that it dropped. */
export const DROPPED = "log entries were dropped";

/**
 * Whether one more entry of a log may pass: `most` of them in a second. `tell` is told how many were dropped, before the next
 * one that passes; what it logs of that does not count here. `now`: in ms.
 */
export function createLogWindow(most        , now              , tell                           )                {
  let start = Number.NEGATIVE_INFINITY;
  let entries = 0;
  let dropped = 0;
  return () => {
    const time = now();
    if (time - start >= 1000) {
      const before = dropped;
      [start, entries, dropped] = [time, 0, 0];
      if (before > 0) tell(before);
    }
    entries += 1;
    if (entries <= most) return true;
    dropped += 1;
    return false;
  };
}
