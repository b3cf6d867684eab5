import { seconds } from "../../../async/deadline.ts";
import { Gauge } from "../../calls/generation/gauge.ts";
import type { CanaryReport, Sample } from "../../record/report.ts";
import { percentFailed } from "./bake-judge.ts";
import { Excess } from "./excess.ts";

export interface CanaryLimits {
  /** Calls that the candidate must have answered before it can pass. */
  readonly minCalls: number;
  /** How far its rate of failures may be above that of the current version, from 0 to 1. */
  readonly maxErrorRateIncrease: number;
  /** The largest allowed ratio of its p99 to that of the current version. */
  readonly maxLatencyRatio: number;
}

/** The decision about a canary. `because` is a text for people. */
export type Finding =
  | { readonly verdict: "PASSED" }
  | { readonly verdict: "REFUSED" | "INCONCLUSIVE"; readonly because: string };

/**
 * Probability that a canary refuses a candidate which is no worse than its limits allow, however long it takes and
 * however often it is evaluated. @limit share
 */
export const FALSE_REFUSALS = 0.01;
/** Evidence at the end of a canary above which it is INCONCLUSIVE: the candidate does not pass, but is not refused either. */
const GREAT_DOUBT = 20;
/**
 * The same limit, as the number of standard deviations by which the rate exceeds the allowed one. Equal versions hardly ever
 * reach it.
 */
const GREAT_DEVIATIONS = 3;
/**
 * Calls with a `routing_key` that the current version must have answered during a canary if calls of the candidate have
 * failed; with fewer, the canary is INCONCLUSIVE. @limit calls
 */
const MIN_CURRENT_CALLS = 20;
/** Failures at which a canary with almost nothing to compare ends, if most calls of the candidate fail. @limit calls */
const HOPELESS_FAILURES = 20;
/** Calls of the current version that a 99th percentile needs; with fewer, latencies are not compared. @limit calls */
const MIN_P99_CALLS = 100;
/** Differences of latency that are ignored, because a pause of the machine is longer. @limit ms */
const LATENCY_NOISE_MS = 5;
/**
 * How far the share of a candidate's slow calls may be above that of the current version. A p99 ignores the same share.
 */
const SLOW_MARGIN = 0.01;

/**
 * Compares two versions that answer calls at the same time, after each call. Failures and slowness are an e-process
 * each (see `Excess`), and so is their mean.
 */
export class CanaryJudge {
  readonly #limits: CanaryLimits;
  readonly #candidate = new Gauge();
  readonly #current = new Gauge();
  readonly #failing: Excess;
  readonly #slow = new Excess(SLOW_MARGIN);
  /** A call that takes longer is slow. Undefined while too few calls are known. */
  #slowMs: number | undefined;
  /** The number of calls of the current version at which `#slowMs` is computed again. */
  #nextBound = MIN_P99_CALLS;

  /** `past` has the calls of the current version before the canary. */
  constructor(limits: CanaryLimits, past: Pick<Sample, "calls" | "p99Ms"> = { calls: 0, p99Ms: 0 }) {
    this.#limits = limits;
    this.#failing = new Excess(limits.maxErrorRateIncrease);
    if (past.calls >= MIN_P99_CALLS) this.#slowMs = this.#boundOf(past.p99Ms);
  }

  /** Adds a call that could have gone to either version. */
  add(isCandidate: boolean, failed: boolean, durationMs: number): void {
    this.#failing.add(isCandidate, failed);
    // All calls of a block are judged by one bound, from before the block.
    if (this.#slow.isBetween) this.#findBound();
    if (this.#slowMs !== undefined) this.#slow.add(isCandidate, durationMs > this.#slowMs);
    (isCandidate ? this.#candidate : this.#current).record(failed, durationMs);
  }

  get report(): Omit<CanaryReport, "verdict"> {
    return { candidate: this.#candidate.sample(), current: this.#current.sample() };
  }

  /** Calls that the candidate answered. */
  get calls(): number {
    return this.#candidate.calls;
  }

  /** Undefined while more calls are needed. */
  get finding(): Finding | undefined {
    const { minCalls } = this.#limits;
    const [failing, slow] = [this.#failing.evidence, this.#slow.evidence];
    if ((failing + slow) / 2 >= 1 / FALSE_REFUSALS) {
      return { verdict: "REFUSED", because: this.#compared(failing >= slow) };
    }
    const isComparable = this.#isComparable;
    const isEnough = this.calls >= minCalls && isComparable;
    if (isEnough && !this.#failing.isDoubtful && !this.#slow.isDoubtful) return { verdict: "PASSED" };
    const { failures } = this.#candidate;
    const isAlone = !isComparable && this.#current.calls * 10 < failures;
    if (isAlone && failures >= HOPELESS_FAILURES && failures * 2 > this.calls) {
      return { verdict: "INCONCLUSIVE", because: this.#incomparable };
    }
    return undefined;
  }

  /** The decision when the time of the canary is over. */
  atEnd(durationMs: number): Finding {
    const now = this.finding;
    if (now !== undefined) return now;
    const { minCalls } = this.#limits;
    const time = seconds(durationMs);
    const inconclusive = (because: string): Finding => ({ verdict: "INCONCLUSIVE", because });
    if (this.calls < minCalls) {
      return inconclusive(`it answered ${this.calls} of ${minCalls} calls with a routing_key within ${time}`);
    }
    if (!this.#isComparable) return inconclusive(this.#incomparable);
    const isFailing = isInGreatDoubt(this.#failing);
    if (!isFailing && !isInGreatDoubt(this.#slow)) return { verdict: "PASSED" };
    return inconclusive(`${this.#compared(isFailing)}: too few calls within ${time} to be sure`);
  }

  /** A candidate that never failed needs no other rate for comparison. */
  get #isComparable(): boolean {
    return this.#candidate.failures === 0 || this.#current.calls >= MIN_CURRENT_CALLS;
  }

  get #incomparable(): string {
    const { candidate, current } = this.report;
    const few = `the current version answered ${current.calls} of ${MIN_CURRENT_CALLS} calls with a routing_key`;
    return `${few}, too few to compare with; ${percentFailed(candidate)} of its own ${candidate.calls} calls failed`;
  }

  #compared(byFailures: boolean): string {
    const { candidate, current } = this.report;
    if (byFailures) {
      const calls = `${candidate.calls} calls failed, ${percentFailed(current)} of the current version's ${current.calls}`;
      return `${percentFailed(candidate)} of its ${calls}`;
    }
    return `its p99 is ${formatMs(candidate.p99Ms)}, the current version's ${formatMs(current.p99Ms)}`;
  }

  #findBound(): void {
    const { calls } = this.#current;
    if (calls < this.#nextBound) return;
    this.#nextBound = Math.ceil(calls * 1.1);
    this.#slowMs = this.#boundOf(this.#current.sample().p99Ms);
  }

  #boundOf(p99Ms: number): number {
    return Math.max(p99Ms * this.#limits.maxLatencyRatio, p99Ms + LATENCY_NOISE_MS);
  }
}

function isInGreatDoubt({ evidence, deviations }: Excess): boolean {
  return evidence >= GREAT_DOUBT || deviations > GREAT_DEVIATIONS;
}

const formatMs = (ms: number): string => `${ms.toFixed(1)} ms`;
