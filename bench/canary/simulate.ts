import type { Rule, Verdict } from "./rules.ts";

/** Two versions and the calls that they get. */
export interface Versions {
  /** Share of the calls that go to the candidate. */
  readonly share: number;
  /** Shares of failing calls. */
  readonly current: number;
  readonly candidate: number;
  /** How many times slower the candidate is. */
  readonly slower: number;
  /** Number of the candidate's calls at which the canary's time is over. */
  readonly mostCalls: number;
}

export interface Outcome {
  readonly verdict: Verdict;
  /** Calls of the candidate. */
  readonly calls: number;
}

/**
 * Median and spread of the durations. They are log-normal, with a 99th percentile of 6.4 times the median, like those
 * of a service that shares its machine.
 */
const MEDIAN_MS = 10;
const SPREAD = 0.8;
/** Number of standard deviations below which 99 % of a normal distribution lie. */
const NORMAL_P99 = 2.326;

/** 99th percentile of the current version's durations. */
export const P99_MS = MEDIAN_MS * Math.exp(NORMAL_P99 * SPREAD);

/** Simulates canaries one after the other, and evaluates the rule after each call. */
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

/** By the Box–Muller transform. */
function durationMs(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return MEDIAN_MS * Math.exp(SPREAD * normal);
}
