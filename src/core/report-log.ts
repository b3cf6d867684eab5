import { invalid } from "./errors/invalid.ts";

/**
 * Reporters (processes of clients) whose reports are remembered, so that a repeated report counts once. Beyond them,
 * those that reported longest ago are forgotten. @limit reporters
 */
export const MAX_REPORTERS = 4096;
/**
 * How far reports of one reporter may overtake each other. A report that arrives later than that is treated as a
 * repetition. @limit reports
 */
const REPORT_WINDOW = 256;

/** The reports that have arrived: all up to `through`, and those in `beyond`. `beyond` is empty if they come in order. */
interface Seen {
  through: bigint;
  readonly beyond: Set<bigint>;
}

/** Remembers which reports have arrived. Each reporter numbers its own. */
export class ReportLog {
  /** In the order of their last reports. */
  readonly #reporters = new Map<string, Seen>();

  /** Notes a report, and returns whether it is new. A report that is older than all remembered ones counts as known. */
  isNew(clientId: string, number: number | bigint, reporterId = ""): boolean {
    const seq = BigInt(number);
    const seen = this.#touch(`${clientId.length}:${clientId}${reporterId}`);
    const { beyond } = seen;
    if (seq <= seen.through || beyond.has(seq)) return false;
    beyond.add(seq);
    if (beyond.size > REPORT_WINDOW) seen.through = leastOf(beyond) - 1n;
    while (beyond.delete(seen.through + 1n)) seen.through += 1n;
    return true;
  }

  #touch(reporter: string): Seen {
    const seen = this.#reporters.get(reporter) ?? { through: 0n, beyond: new Set() };
    this.#reporters.delete(reporter);
    this.#reporters.set(reporter, seen);
    if (this.#reporters.size > MAX_REPORTERS) {
      const [oldest] = this.#reporters.keys();
      if (oldest !== undefined) this.#reporters.delete(oldest);
    }
    return seen;
  }
}

function leastOf(numbers: Iterable<bigint>): bigint {
  let [least = 0n] = numbers;
  for (const each of numbers) if (each < least) least = each;
  return least;
}

/** Throws ARGUMENT_INVALID for a report without a client, or with a number that no client of the contract sends. */
export function checkReporter(clientId: string, seq: number | bigint): void {
  if (clientId === "") throw invalid("client_id", "must not be empty");
  // A number that is not a safe integer may have been rounded; a bigint never is.
  if ((typeof seq === "number" && !Number.isSafeInteger(seq)) || seq < 1)
    throw invalid("seq", `must be a whole number from 1, not ${seq}`);
}
