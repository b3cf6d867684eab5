import { describe, expect, it } from "vitest";
import type { Sample } from "../../../../../src/core/modules/record/report.ts";
import { judgeBake } from "../../../../../src/core/modules/swap/judging/bake-judge.ts";

const sample = (calls: number, failures: number): Sample => ({ calls, failures, p99Ms: 10 });

describe("a version on trial", () => {
  it("goes back above the error rate, but not at it, and not before enough calls", () => {
    const bake = { minCalls: 20, maxErrorRate: 0.5 };
    expect(judgeBake(sample(19, 19), bake)).toBeUndefined();
    expect(judgeBake(sample(20, 10), bake)).toBeUndefined();
    expect(judgeBake(sample(20, 11), bake)).toBe("55 % of its 20 calls failed");
  });
});
