import { Gauge } from "../../src/core/modules/calls/generation/gauge.ts";
import { CanaryJudge, type CanaryLimits } from "../../src/core/modules/swap/judging/canary-judge.ts";
import { exceeds } from "../../src/kernel/breakers/policy/rate.ts";

/** The rule that decides a canary. It is evaluated after each call. */
export interface Rule {
  add(isCandidate: boolean, failed: boolean, durationMs: number): void;
  /** Calls of the candidate so far. */
  readonly calls: number;
  /** Undefined: more calls are needed. */
  readonly verdict: Verdict | undefined;
  /** The verdict when the canary's time is over. */
  readonly last: Verdict;
}

export type Verdict = "PASSED" | "REFUSED" | "INCONCLUSIVE";

/** The service's rule. `p99Ms` is the 99th percentile of the current version before the canary. */
export function sequentialRule(limits: CanaryLimits, p99Ms: number): Rule {
  const judge = new CanaryJudge(limits, { calls: 1000, p99Ms });
  return {
    add: (isCandidate, failed, durationMs) => judge.add(isCandidate, failed, durationMs),
    get calls() {
      return judge.calls;
    },
    get verdict() {
      return judge.finding?.verdict;
    },
    get last() {
      return judge.atEnd(0).verdict;
    },
  };
}

/** The former rule: compares the observed rates as if they were exact, after each failure and at the end. */
export function oldRule({ minCalls, maxErrorRateIncrease, maxLatencyRatio }: CanaryLimits): Rule {
  const [candidate, current] = [new Gauge(), new Gauge()];
  const judge = (): Verdict | undefined => {
    const rate = current.calls === 0 ? 0 : current.failures / current.calls;
    const allowed = Math.min(1, rate + maxErrorRateIncrease) + 1e-12;
    if (exceeds(candidate.failures, Math.max(minCalls, candidate.calls), allowed)) return "REFUSED";
    if (candidate.calls < minCalls) return undefined;
    const [{ p99Ms }, { p99Ms: most }] = [candidate.sample(), current.sample()];
    const isSlow = current.calls >= minCalls && p99Ms > Math.max(most * maxLatencyRatio, most + 5);
    return isSlow ? "REFUSED" : "PASSED";
  };
  let verdict: Verdict | undefined;
  return {
    add(isCandidate, failed, durationMs) {
      (isCandidate ? candidate : current).record(failed, durationMs);
      if (isCandidate && (failed || candidate.calls >= minCalls)) verdict ??= judge();
    },
    get calls() {
      return candidate.calls;
    },
    get verdict() {
      return verdict;
    },
    get last() {
      return verdict ?? "REFUSED";
    },
  };
}
