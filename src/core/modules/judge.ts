import { exceeds } from "../breakers/policy/rate.ts";
import type { Sample } from "./report.ts";

export interface CanaryLimits {
  /** Calls that the candidate must have answered before it can pass. */
  readonly minCalls: number;
  /** By how much its rate of failures may be above the current one's; 0 to 1. */
  readonly maxErrorRateIncrease: number;
  /** How many times as long as the current one's its p99 may be. */
  readonly maxLatencyRatio: number;
}

/** Differences of latency below this say nothing: a pause of the machine is longer. */
export const LATENCY_NOISE_MS = 5;

/** More than what a sum of two rates may be too small by: 0.1 and 0.7 are 0.7999999999999999. */
const SUM_ERROR = 1e-12;

export type Verdict = "wait" | "pass" | { readonly because: string };

/** Whether a candidate does as well as what serves now. What can no longer pass fails before its sample is full. */
export function judgeCanary(candidate: Sample, current: Sample, limits: CanaryLimits): Verdict {
  const { minCalls, maxErrorRateIncrease, maxLatencyRatio } = limits;
  const allowed = Math.min(1, rate(current) + maxErrorRateIncrease);
  if (exceeds(candidate.failures, Math.max(minCalls, candidate.calls), allowed + SUM_ERROR)) {
    const [bad, good] = [percent(rate(candidate)), percent(rate(current))];
    return { because: `${bad} of its ${candidate.calls} calls failed, ${good} of the current version's` };
  }
  if (candidate.calls < minCalls) return "wait";
  // Few calls have no p99 to compare with.
  const most = Math.max(current.p99Ms * maxLatencyRatio, current.p99Ms + LATENCY_NOISE_MS);
  if (current.calls >= minCalls && candidate.p99Ms > most) {
    return { because: `its p99 is ${tell(candidate.p99Ms)}, the current version's ${tell(current.p99Ms)}` };
  }
  return "pass";
}

export interface BakeLimits {
  /** Calls before the rate says anything. */
  readonly minCalls: number;
  /** The rate of failures above which it goes back; 0 to 1. */
  readonly maxErrorRate: number;
}

/** Why a version that serves on trial is to go back; undefined: it is not. */
export function judgeBake({ calls, failures, ...rest }: Sample, limits: BakeLimits): string | undefined {
  const { minCalls, maxErrorRate } = limits;
  if (calls < minCalls || !exceeds(failures, calls, maxErrorRate)) return undefined;
  return `${percent(rate({ calls, failures, ...rest }))} of its ${calls} calls failed`;
}

function rate({ calls, failures }: Sample): number {
  return calls === 0 ? 0 : failures / calls;
}

const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`;
const tell = (ms: number): string => `${ms.toFixed(1)} ms`;
