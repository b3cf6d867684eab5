import { exceeds } from "../../../../kernel/breakers/policy/rate.ts";
import type { Sample } from "../../record/report.ts";

export interface BakeLimits {
  /** Number of calls from which on the rate is evaluated. */
  readonly minCalls: number;
  /** The rate of failures above which the old version serves again; 0 to 1. */
  readonly maxErrorRate: number;
}

/** Returns why the bake fails. Undefined if it has not failed. */
export function judgeBake(sample: Sample, { minCalls, maxErrorRate }: BakeLimits): string | undefined {
  const { calls, failures } = sample;
  if (calls < minCalls || !exceeds(failures, calls, maxErrorRate)) return undefined;
  return `${percentFailed(sample)} of its ${calls} calls failed`;
}

/** Formats the share of calls that failed. */
export function percentFailed({ calls, failures }: Pick<Sample, "calls" | "failures">): string {
  return `${Number(((calls === 0 ? 0 : failures / calls) * 100).toFixed(2))} %`;
}
