import { exceeds } from "../../../../kernel/breakers/policy/rate.ts";
import type { Sample } from "../../record/report.ts";

export interface BakeLimits {
  /** Calls before the rate says anything. */
  readonly minCalls: number;
  /** The rate of failures above which it goes back; 0 to 1. */
  readonly maxErrorRate: number;
}

/** Why a version that serves on trial is to go back; undefined: it is not. */
export function judgeBake(sample: Sample, { minCalls, maxErrorRate }: BakeLimits): string | undefined {
  const { calls, failures } = sample;
  if (calls < minCalls || !exceeds(failures, calls, maxErrorRate)) return undefined;
  return `${percentFailed(sample)} of its ${calls} calls failed`;
}

/** The share of calls that failed, for people. */
export function percentFailed({ calls, failures }: Pick<Sample, "calls" | "failures">): string {
  return `${Number(((calls === 0 ? 0 : failures / calls) * 100).toFixed(2))} %`;
}
