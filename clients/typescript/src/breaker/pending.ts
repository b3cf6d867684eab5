import type { Outcome } from "../../../../src/kernel/breakers/machine.ts";

/** Equal outcomes in a row. */
export interface Run {
  readonly outcome: Outcome;
  readonly slow: boolean;
  readonly count: number;
}

/** Outcomes of one epoch, to be reported. */
export interface Report {
  readonly epoch: number;
  readonly leaseId: string | undefined;
  readonly runs: readonly Run[];
}

/** An epoch that no breaker ever has. The service counts its outcomes, but they decide nothing. */
export const NO_EPOCH = 0;

/** Unreported runs of equal outcomes of one breaker. Beyond them, the oldest are dropped. @limit runs */
const MAX_RUNS = 4096;
/** Limits of `ReportOutcomes` in the contract. */
const MOST_RUNS_IN_REPORT = 1000;
const MOST_IN_RUN = 1_000_000;

interface Mutable {
  readonly outcome: Outcome;
  readonly slow: boolean;
  count: number;
}

interface Group {
  readonly epoch: number;
  readonly leaseId: string | undefined;
  runs: Mutable[];
}

/** The outcomes of one breaker's calls that the service does not know yet, in order. Bounded in size. */
export class Pending {
  #groups: Group[] = [];
  /** The group to which the last outcome without a lease was added. */
  #open: Group | undefined;
  #runs = 0;
  #waiting = 0;
  #sent = 0;
  #dropped = 0;

  /** Number of outcomes that are not known to have reached the service. */
  get unreported(): number {
    return this.#waiting + this.#sent;
  }

  get isEmpty(): boolean {
    return this.#waiting === 0;
  }

  /** Number of outcomes that will never be reported. */
  get dropped(): number {
    return this.#dropped;
  }

  add(epoch: number, leaseId: string | undefined, outcome: Outcome, slow: boolean, count = 1): void {
    this.#waiting += count;
    let group = leaseId === undefined ? this.#open : undefined;
    if (group === undefined || group.epoch !== epoch) {
      group = leaseId === undefined ? this.#groups.find((one) => one.epoch === epoch && !one.leaseId) : undefined;
      if (group === undefined) {
        group = { epoch, leaseId, runs: [] };
        this.#groups.push(group);
      }
      if (leaseId === undefined) this.#open = group;
    }
    const { runs } = group;
    const last = runs[runs.length - 1];
    // The order of outcomes that decide nothing does not matter.
    const run =
      last === undefined || (last.outcome === outcome && last.slow === slow) || epoch !== NO_EPOCH
        ? last
        : runs.find((one) => one.outcome === outcome && one.slow === slow);
    if (run !== undefined && run.outcome === outcome && run.slow === slow && run.count + count <= MOST_IN_RUN) {
      run.count += count;
      return;
    }
    runs.push({ outcome, slow, count });
    this.#runs += 1;
    if (this.#runs > MAX_RUNS) this.#dropOldest();
  }

  /** Moves the waiting outcomes to NO_EPOCH: the service counts them, but they decide nothing. */
  withdraw(): void {
    const groups = this.#groups;
    this.#clear();
    for (const { runs } of groups)
      for (const { outcome, slow, count } of runs) this.add(NO_EPOCH, undefined, outcome, slow, count);
  }

  /** Removes the oldest `most` reports and returns them, to be sent. `arrived` or `lost` must be called afterwards. */
  take(most = Number.POSITIVE_INFINITY): Report[] {
    const groups = this.#groups;
    this.#clear();
    const all = groups.flatMap(({ epoch, leaseId, runs }) =>
      Array.from({ length: Math.ceil(runs.length / MOST_RUNS_IN_REPORT) }, (_, part) => ({
        epoch,
        leaseId,
        runs: runs.slice(part * MOST_RUNS_IN_REPORT, (part + 1) * MOST_RUNS_IN_REPORT),
      })),
    );
    const taken = all.slice(0, most);
    this.#sent = taken.reduce((sum, { runs }) => sum + runs.reduce((count, run) => count + run.count, 0), 0);
    for (const { epoch, leaseId, runs } of all.slice(most))
      for (const { outcome, slow, count } of runs) this.add(epoch, leaseId, outcome, slow, count);
    return taken;
  }

  arrived(): void {
    this.#sent = 0;
  }

  lost(): void {
    this.#dropped += this.#sent;
    this.#sent = 0;
  }

  #clear(): void {
    this.#groups = [];
    this.#open = undefined;
    this.#runs = 0;
    this.#waiting = 0;
  }

  #dropOldest(): void {
    const [group] = this.#groups;
    const run = group?.runs.shift();
    if (group === undefined || run === undefined) return;
    this.#runs -= 1;
    this.#waiting -= run.count;
    this.#dropped += run.count;
    if (group.runs.length > 0) return;
    this.#groups.shift();
    if (this.#open === group) this.#open = undefined;
  }
}
