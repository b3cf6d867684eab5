import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createLatencies } from "../../../bench/load/latencies.ts";

describe("latencies", () => {
  it("give the duration at each share within the width of a bucket", () => {
    const durations = fc.array(fc.double({ min: 0.002, max: 100_000, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(durations, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, share) => {
        const latencies = createLatencies();
        for (const ms of all) latencies.add(ms);
        const exact = all.toSorted((a, b) => a - b)[Math.ceil(share * all.length) - 1] as number;
        expect(Math.abs(latencies.at(share) / exact - 1)).toBeLessThan(0.023);
        expect(latencies.count).toBe(all.length);
      }),
    );
  });

  it("are unknown while there are none", () => {
    const latencies = createLatencies();
    latencies.add(1);
    latencies.clear();
    expect([latencies.at(0.5), latencies.count]).toEqual([Number.NaN, 0]);
  });
});
