/**
 * Unrequested messages of a module in the long run, such as log entries; its own process sends at most 1,000 entries a
 * second. @limit messages a second
 */
const UNASKED_PER_SECOND = 2000;
/**
 * Unrequested messages of a module in one burst: as many as accumulate while the service itself is busy for 20 s. A
 * module that sends more is ended, and counts as crashed. @limit messages
 */
const UNASKED_AT_ONCE = 20_000;

/** Counts messages that the service did not ask for. The returned function returns true if there are too many. */
export function createFloodGate(now: () => number): () => boolean {
  let level = 0;
  let before = now();
  return () => {
    level += 1;
    if (level < UNASKED_AT_ONCE) return false;
    const time = now();
    level = Math.max(0, level - ((time - before) / 1000) * UNASKED_PER_SECOND);
    before = time;
    return level >= UNASKED_AT_ONCE;
  };
}
