import { describe, expect, it } from "vitest";
import { seeded } from "../../../../../scripts/seeded.ts";
import { CanaryJudge } from "../../../../../src/core/modules/swap/judging/canary-judge.ts";

const limits = { minCalls: 100, maxErrorRateIncrease: 0.01, maxLatencyRatio: 1.5 };

interface Rates {
  /** The candidate's share of the calls. */
  readonly share?: number;
  readonly current?: number;
  readonly candidate?: number;
  /** The ratio of the candidate's latency to that of the current version. */
  readonly slower?: number;
  readonly mostCalls?: number;
}

/** The verdict on a canary that is checked after each call, with a limited number of calls to the candidate. */
function judged(random: () => number, rates: Rates, judge = new CanaryJudge(limits, { calls: 1000, p99Ms: 46 })) {
  const { share = 0.2, current = 0, candidate = 0, slower = 1, mostCalls = 1000 } = rates;
  while (judge.finding === undefined && judge.calls < mostCalls) {
    const isCandidate = random() < share;
    const tookMs = -10 * Math.log(1 - random()) * (isCandidate ? slower : 1);
    judge.add(isCandidate, random() < (isCandidate ? candidate : current), tookMs);
  }
  return { judge, finding: judge.finding ?? judge.atEnd(60_000) };
}

/** The number of canaries in which a candidate is refused. */
function refusals(rates: Rates, canaries: number): number {
  const random = seeded(11);
  const findings = Array.from({ length: canaries }, () => judged(random, rates).finding.verdict);
  return findings.filter((verdict) => verdict === "REFUSED").length;
}

describe("the verdict on a canary", () => {
  it("is PASSED once enough calls were answered and nothing speaks against it", () => {
    const judge = new CanaryJudge(limits);
    for (let call = 0; call < 99; call += 1) judge.add(true, false, 1);
    expect(judge.finding).toBeUndefined();
    judge.add(true, false, 1);
    expect(judge.finding).toEqual({ verdict: "PASSED" });
  });

  it("is REFUSED within a few calls if all of them fail, and says what was observed", () => {
    const { judge, finding } = judged(seeded(1), { candidate: 1 });
    expect(judge.calls).toBeLessThan(15);
    const { candidate, current } = judge.report;
    expect(finding).toEqual({
      verdict: "REFUSED",
      because: `100 % of its ${candidate.calls} calls failed, 0 % of the current version's ${current.calls}`,
    });
  });

  it.each([0.01, 0.05, 0.2])(
    "is REFUSED for equal versions in at most 1 %% of canaries, at a failure rate of %d",
    (rate) => {
      expect(refusals({ current: rate, candidate: rate }, 200)).toBeLessThanOrEqual(2);
    },
  );

  it("is REFUSED almost always if ten times as many calls fail, or the p99 is three times as long", () => {
    expect(refusals({ current: 0.01, candidate: 0.1 }, 50)).toBeGreaterThanOrEqual(47);
    expect(refusals({ slower: 3 }, 50)).toBeGreaterThanOrEqual(47);
  });

  it("is not REFUSED if the candidate is slower by less than the ratio, or by less than a pause of the machine", () => {
    expect(refusals({ slower: 1.3 }, 50)).toBe(0);
    const judge = new CanaryJudge(limits, { calls: 1000, p99Ms: 0.1 });
    for (let call = 0; call < 300; call += 1) judge.add(call % 2 === 0, false, call % 2 === 0 ? 4 : 0.1);
    expect(judge.finding).toEqual({ verdict: "PASSED" });
  });

  it("is INCONCLUSIVE if there were too few calls, or the current version had too few successful ones", () => {
    const few = new CanaryJudge(limits);
    for (let call = 0; call < 3; call += 1) few.add(true, false, 1);
    expect(few.atEnd(60_000)).toEqual({
      verdict: "INCONCLUSIVE",
      because: "it answered 3 of 100 calls with a routing_key within 60 s",
    });
    const alone = new CanaryJudge(limits);
    for (let call = 0; call < 19; call += 1) alone.add(false, false, 1);
    for (let call = 0; call < 100; call += 1) alone.add(true, call === 50, 1);
    expect(alone.finding).toBeUndefined();
    expect(alone.atEnd(60_000)).toEqual({
      verdict: "INCONCLUSIVE",
      because:
        "the current version answered 19 of 20 calls with a routing_key, too few to compare with; " +
        "1 % of its own 100 calls failed",
    });
    alone.add(false, false, 1);
    expect(alone.finding).toEqual({ verdict: "PASSED" });
  });

  it("is INCONCLUSIVE at once if most calls fail and there is almost nothing to compare with", () => {
    const judge = new CanaryJudge(limits);
    for (let call = 0; call < 19; call += 1) judge.add(true, true, 1);
    expect(judge.finding).toBeUndefined();
    judge.add(true, true, 1);
    expect(judge.finding).toMatchObject({ verdict: "INCONCLUSIVE" });
  });

  it("waits while more calls fail than chance explains, and then depends on the later calls", () => {
    const judge = new CanaryJudge(limits);
    const add = (calls: number, failures: number): void => {
      for (let call = 0; call < calls; call += 1) {
        judge.add(false, false, 1);
        judge.add(true, call < failures, 1);
      }
    };
    add(96, 0);
    add(4, 4);
    expect(judge.finding).toBeUndefined();
    add(300, 0);
    expect(judge.finding).toEqual({ verdict: "PASSED" });
  });

  it.each([20, 40])(
    "is not PASSED while its last %d calls failed, even if the current version had no calls since",
    (burst) => {
      const judge = new CanaryJudge(limits);
      for (let pair = 0; pair < 100 - burst; pair += 1) {
        judge.add(false, false, 1);
        judge.add(true, false, 1);
      }
      for (let call = 0; call < burst; call += 1) judge.add(true, true, 1);
      expect(judge.finding).toBeUndefined();
      expect(judge.atEnd(60_000)).toEqual({
        verdict: "INCONCLUSIVE",
        because: `${burst} % of its 100 calls failed, 0 % of the current version's ${100 - burst}: too few calls within 60 s to be sure`,
      });
    },
  );

  it("is not PASSED while its last calls were slow, even if the current version had no calls since", () => {
    const judge = new CanaryJudge(limits, { calls: 1000, p99Ms: 10 });
    for (let call = 0; call < 200; call += 1) judge.add(call % 2 === 0, false, 1);
    expect(judge.finding).toEqual({ verdict: "PASSED" });
    for (let call = 0; call < 40; call += 1) judge.add(true, false, 100);
    expect(judge.finding).toBeUndefined();
    expect(judge.atEnd(60_000)).toMatchObject({
      verdict: "INCONCLUSIVE",
      because: expect.stringMatching(/^its p99 is/),
    });
  });
});
