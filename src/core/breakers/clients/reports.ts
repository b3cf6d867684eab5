import type { Outcome } from "../../../kernel/breakers/machine.ts";
import { HeliosError } from "../../errors/error.ts";

/** Outcomes of one breaker's calls, all of one epoch, in the order in which the calls ended. */
export interface OutcomeReport {
  readonly name: string;
  readonly epoch: number;
  /** Where the call was a probe; the report is then of one outcome. */
  readonly leaseId?: string | undefined;
  /** `count` equal outcomes in a row, a whole number from 1; `slow`: each took longer than `slowCallDurationMs`. */
  readonly runs: readonly { readonly outcome: Outcome; readonly count: number; readonly slow?: boolean }[];
}

/**
 * Reporters (processes of clients) whose reports are remembered, so that a repeated report counts once. Beyond them,
 * those that reported longest ago are forgotten. @limit reporters
 */
export const MAX_REPORTERS = 4096;
/**
 * How far reports of one reporter may overtake each other. A report that arrives later than that is treated as a
 * repetition. @limit reports
 */
export const REPORT_WINDOW = 256;

/** Every report up to `through` counts as seen, and those in `beyond`. In order and without gaps, `beyond` is empty. */
interface Seen {
  through: bigint;
  readonly beyond: Set<bigint>;
}

/** Remembers which reports have arrived, of the reporters that reported last: each counts its own. */
export class ReportLog {
  readonly #reporters = new Map<string, Seen>();

  /** Whether this report arrives for the first time; one that is older than all that is remembered does not. */
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

  /** The order of a Map is that of insertion: who reports last stands last. */
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

/** ARGUMENT_INVALID for what no client of this contract sends. */
export function checkReports(clientId: string, seq: number | bigint, reports: readonly OutcomeReport[]): void {
  if (clientId === "") throw invalid("client_id", "must not be empty");
  // A number of that size may be another than was meant; a bigint never is.
  if ((typeof seq === "number" && !Number.isSafeInteger(seq)) || seq < 1)
    throw invalid("seq", `must be a whole number from 1, not ${seq}`);
  for (const [at, { epoch, leaseId, runs }] of reports.entries()) {
    const field = `reports[${at}]`;
    if (!Number.isSafeInteger(epoch)) throw invalid(`${field}.epoch`, `must be a whole number, not ${epoch}`);
    for (const [run, { outcome, count }] of runs.entries()) {
      checkOutcome(outcome, `${field}.runs[${run}].outcome`);
      if (Number.isSafeInteger(count) && count >= 1) continue;
      throw invalid(`${field}.runs[${run}].count`, `must be a whole number from 1, not ${count}`);
    }
    if (leaseId === undefined || (runs.length === 1 && runs[0]?.count === 1)) continue;
    throw invalid(`${field}.runs`, "must tell one outcome where there is a lease_id");
  }
}

/** ARGUMENT_INVALID where it is none. */
export function checkOutcome(outcome: Outcome, field = "outcome"): void {
  if (outcome === "SUCCESS" || outcome === "FAILURE" || outcome === "IGNORED") return;
  throw invalid(field, `must be SUCCESS, FAILURE or IGNORED, not ${String(outcome)}`);
}

const invalid = (field: string, problem: string): HeliosError => HeliosError.of("ARGUMENT_INVALID", { field, problem });
