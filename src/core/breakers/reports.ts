/** Clients whose reports are remembered. */
const MAX_CLIENTS = 4096;
/** How far a client's reports may overtake each other. */
const WINDOW = 256;

interface Seen {
  highest: number;
  readonly recent: Set<number>;
}

/** Remembers which reports have arrived, of the clients that reported last. */
export class ReportLog {
  readonly #clients = new Map<string, Seen>();

  /** Whether this report arrives for the first time; one that is older than all that is remembered does not. */
  isNew(clientId: string, seq: number): boolean {
    const seen = this.#clients.get(clientId) ?? { highest: 0, recent: new Set() };
    // The order of a Map is that of insertion: who reports last stands last.
    this.#clients.delete(clientId);
    this.#clients.set(clientId, seen);
    if (this.#clients.size > MAX_CLIENTS) {
      for (const oldest of this.#clients.keys()) {
        this.#clients.delete(oldest);
        break;
      }
    }
    if (seq <= seen.highest - WINDOW || seen.recent.has(seq)) return false;
    seen.recent.add(seq);
    if (seq > seen.highest) {
      seen.highest = seq;
      if (seen.recent.size > 2 * WINDOW) {
        for (const old of seen.recent) if (old <= seen.highest - WINDOW) seen.recent.delete(old);
      }
    }
    return true;
  }
}
