import type { Rule, Verdict } from "./rules.ts";

/** Two versions, and the calls that they get. */
export interface Versions {
  /** Share of the calls that the candidate gets. */
  readonly share: number;
  /** Shares of their calls that fail. */
  readonly current: number;
  readonly candidate: number;
  /** How many times as long the candidate takes. */
  readonly slower: number;
  /** Calls of the candidate at which the canary's time is over. */
  readonly mostCalls: number;
}

export interface Outcome {
  readonly verdict: Verdict;
  /** Of the candidate. */
  readonly calls: number;
}

/** Median and spread of durations: log-normal, with a 99th percentile of 6.4 times the median, as of a service that shares its machine. */
const MEDIAN_MS = 10;
const SPREAD = 0.8;
/** Standard deviations at which 99 % of a normal distribution lie below. */
const NORMAL_P99 = 2.326;

/** Of the current version's durations. */
export const P99_MS = MEDIAN_MS * Math.exp(NORMAL_P99 * SPREAD);

/** One canary after the other, each looked at after each call. */
export function simulate(random: () => number, versions: Versions, canaries: number, rule: () => Rule): Outcome[] {
  const { share, current, candidate, slower, mostCalls } = versions;
  return Array.from({ length: canaries }, () => {
    const one = rule();
    while (one.verdict === undefined && one.calls < mostCalls) {
      const isCandidate = random() < share;
      const failed = random() < (isCandidate ? candidate : current);
      one.add(isCandidate, failed, durationMs(random) * (isCandidate ? slower : 1));
    }
    return { verdict: one.verdict ?? one.last, calls: one.calls };
  });
}

/** By Box and Muller. */
function durationMs(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return MEDIAN_MS * Math.exp(SPREAD * normal);
}
