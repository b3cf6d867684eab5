import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgeBake, judgeCanary } from "../../../src/core/modules/judge.ts";
import type { Sample } from "../../../src/core/modules/report.ts";

const limits = { minCalls: 100, maxErrorRateIncrease: 0.01, maxLatencyRatio: 1.5 };
const sample = (calls: number, failures = 0, p99Ms = 10): Sample => ({ calls, failures, p99Ms });
const samples = fc
  .record({ calls: fc.nat(1000), share: fc.double({ min: 0, max: 1, noNaN: true }), p99Ms: fc.nat(1000) })
  .map(({ calls, share, p99Ms }) => sample(calls, Math.floor(calls * share), p99Ms));

describe("a canary", () => {
  it("waits for its sample, and passes when it does as well", () => {
    expect(judgeCanary(sample(99), sample(1000), limits)).toBe("wait");
    expect(judgeCanary(sample(100), sample(1000), limits)).toBe("pass");
  });

  it("fails at once when it can no longer pass", () => {
    expect(judgeCanary(sample(2, 1), sample(1000), limits)).toBe("wait");
    expect(judgeCanary(sample(2, 2), sample(1000), limits)).toEqual({
      because: "100 % of its 2 calls failed, 0 % of the current version's",
    });
  });

  it("may fail as often as the current version does, and a little more", () => {
    expect(judgeCanary(sample(100, 11), sample(1000, 100), limits)).toBe("pass");
    expect(judgeCanary(sample(100, 12), sample(1000, 100), limits)).toMatchObject({ because: expect.any(String) });
  });

  it("is too slow by the ratio alone, unless the difference is noise, or there is nothing to compare with", () => {
    expect(judgeCanary(sample(100, 0, 16), sample(100, 0, 10), limits)).toEqual({
      because: "its p99 is 16.0 ms, the current version's 10.0 ms",
    });
    expect(judgeCanary(sample(100, 0, 5), sample(100, 0, 1), limits)).toBe("pass");
    expect(judgeCanary(sample(100, 0, 500), sample(99, 0, 1), limits)).toBe("pass");
  });

  it("never passes below its sample, nor with more failures than are allowed", () => {
    fc.assert(
      fc.property(samples, samples, (candidate, current) => {
        if (judgeCanary(candidate, current, limits) !== "pass") return;
        expect(candidate.calls).toBeGreaterThanOrEqual(limits.minCalls);
        const rate = current.calls === 0 ? 0 : current.failures / current.calls;
        expect(candidate.failures / candidate.calls).toBeLessThanOrEqual(rate + limits.maxErrorRateIncrease + 1e-9);
      }),
    );
  });
});

describe("a version on trial", () => {
  it("goes back above the rate, not at it, and not before enough calls", () => {
    const bake = { minCalls: 20, maxErrorRate: 0.5 };
    expect(judgeBake(sample(19, 19), bake)).toBeUndefined();
    expect(judgeBake(sample(20, 10), bake)).toBeUndefined();
    expect(judgeBake(sample(20, 11), bake)).toBe("55 % of its 20 calls failed");
  });
});
