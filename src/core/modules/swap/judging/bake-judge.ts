import { exceeds } from "../../../../kernel/breakers/policy/rate.ts";
import type { Sample } from "../../record/report.ts";

export interface BakeLimits {
  /** With fewer calls the rate is not judged. */
  readonly minCalls: number;
  /** The rate of failures above which the old version serves again; 0 to 1. */
  readonly maxErrorRate: number;
}

/** Why a version on trial has failed; undefined while it has not. */
export function judgeBake(sample: Sample, { minCalls, maxErrorRate }: BakeLimits): string | undefined {
  const { calls, failures } = sample;
  if (calls < minCalls || !exceeds(failures, calls, maxErrorRate)) return undefined;
  return `${percentFailed(sample)} of its ${calls} calls failed`;
}

/** The share of calls that failed, for people. */
export function percentFailed({ calls, failures }: Pick<Sample, "calls" | "failures">): string {
  return `${Number(((calls === 0 ? 0 : failures / calls) * 100).toFixed(2))} %`;
}
