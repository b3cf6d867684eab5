import { exceeds } from "../breakers/policy/rate.ts";
import type { Sample } from "./report.ts";

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
