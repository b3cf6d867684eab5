import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addLatency,
  latenciesSince,
  noLatencies,
  quantile,
} from "../../../../../src/core/modules/calls/generation/latency.ts";

const durations = fc.array(fc.double({ min: 0.001, max: 3_000_000, noNaN: true }), { minLength: 1, maxLength: 200 });

const counted = (values: readonly number[]) => {
  const latencies = noLatencies();
  for (const value of values) addLatency(latencies, value);
  return latencies;
};

describe("a histogram of latencies", () => {
  it("estimates every quantile at most 9 % too high and never too low", () => {
    fc.assert(
      fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(sorted.length * share)) - 1] ?? 0;
        const estimate = quantile(counted(values), share);
        expect(estimate).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
        expect(estimate).toBeLessThanOrEqual(exact * 2 ** (1 / 8) * (1 + 1e-9));
      }),
    );
  });

  it("subtracts an earlier state of itself", () => {
    fc.assert(
      fc.property(durations, durations, (before, after) => {
        const all = counted([...before, ...after]);
        expect(latenciesSince(all, counted(before))).toEqual(counted(after));
      }),
    );
  });

  it("has no quantile while it is empty, and accepts values that are too short or too long", () => {
    expect(quantile(noLatencies(), 0.99)).toBe(0);
    expect(quantile(counted([0]), 0.5)).toBe(0.001);
    expect(quantile(counted([1e12]), 0.5)).toBeGreaterThan(3_600_000);
  });
});
