import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_CONFIG } from "../../../src/kernel/breakers/policy/defaults.ts";
import { exceeds, reaches } from "../../../src/kernel/breakers/policy/rate.ts";
import { addCall, type Evidence, NO_EVIDENCE, tallyOf } from "../../../src/kernel/breakers/policy/trip.ts";
import { times } from "../../effort.ts";

const window = fc.record({
  windowCalls: fc.integer({ min: 1, max: 30 }),
  windowMs: fc.constantFrom(0, 500, 1000, 7000),
});
const call = fc.record({ ms: fc.integer({ min: 0, max: 120 }), failed: fc.boolean(), slow: fc.boolean() });
const RATES = { failureRate: 0.5, slowCallRate: 0.5 };

describe("a reconfigured window", () => {
  it("keeps the outcomes that fit, and their sums", () => {
    fc.assert(
      fc.property(window, window, fc.array(call, { maxLength: 60 }), (first, second, calls) => {
        const before = { ...DEFAULT_CONFIG, ...RATES, ...first };
        const after = { ...DEFAULT_CONFIG, ...RATES, ...second };
        let evidence: Evidence = NO_EVIDENCE;
        let now = 10_000;
        const seen: { at: number; failed: boolean; slow: boolean }[] = [];
        for (const { ms, failed, slow } of calls) {
          now += ms;
          seen.push({ at: now, failed, slow });
          evidence = addCall(evidence, { failed, slow, clientId: "a" }, 1, before, now);
        }
        const held = tallyOf(evidence, before, now);
        const kept = tallyOf(evidence, after, now);
        const most = second.windowMs === 0 ? second.windowCalls : Number.POSITIVE_INFINITY;
        expect(kept.calls).toBeLessThanOrEqual(Math.min(held.calls, most));
        if (first.windowMs === 0 && second.windowMs === 0) {
          const last = seen.slice(-Math.min(first.windowCalls, second.windowCalls));
          expect(kept).toEqual({
            calls: last.length,
            failures: last.filter(({ failed }) => failed).length,
            slow: last.filter(({ slow }) => slow).length,
          });
        } else if (first.windowMs === 0) {
          expect(kept).toEqual(held);
        } else if (second.windowMs === 0) {
          expect(kept.calls).toBe(Math.min(held.calls, second.windowCalls));
          // The oldest parts are dropped first.
          expect(kept.failures).toBeLessThanOrEqual(held.failures);
          if (held.calls <= second.windowCalls) expect(kept).toEqual(held);
        } else {
          // Calls may leave early by up to one part of either window, but never late.
          const early = Math.min(first.windowMs, second.windowMs) - (first.windowMs + second.windowMs) / 20;
          expect(kept.calls).toBeGreaterThanOrEqual(seen.filter(({ at }) => at > now - early).length);
          expect(kept.calls).toBeLessThanOrEqual(seen.filter(({ at }) => at > now - second.windowMs).length);
        }
        if (first.windowMs === second.windowMs && first.windowCalls === second.windowCalls) expect(kept).toEqual(held);
        // It continues like any other window: the oldest calls leave first.
        const next = addCall(evidence, { failed: true, slow: false, clientId: "a" }, 1, after, now);
        const grown = tallyOf(next, after, now);
        expect(grown.calls).toBe(Math.min(kept.calls + 1, most));
        expect(grown.failures).toBeGreaterThanOrEqual(kept.failures);
      }),
      { numRuns: times(200, 1000) },
    );
  });
});

describe("a failure share", () => {
  it("reaches a rate that is written as the same decimal, and does not exceed it", () => {
    for (let all = 1; all <= 1000; all += 1) {
      for (const digits of [1, 2, 3, 4]) {
        const parts = 10 ** digits;
        if ((parts * all) % all !== 0) continue;
        for (let count = 0; count <= all; count += Math.max(1, Math.floor(all / 100))) {
          if ((count * parts) % all !== 0) continue;
          const rate = Number(((count * parts) / all / parts).toFixed(digits));
          expect([count, all, reaches(count, all, rate), exceeds(count, all, rate)]).toEqual([count, all, true, false]);
        }
      }
    }
  });

  it("is compared exactly with every rate", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10_000 }),
        fc.integer({ min: 1, max: 10_000 }),
        fc.integer({ min: 1, max: 10_000 }),
        (count, all, parts) => {
          // In integers: count / all compared with parts / 10,000, as it is written.
          const rate = Number(`${Math.floor(parts / 10_000)}.${String(parts % 10_000).padStart(4, "0")}`);
          expect(reaches(count, all, rate)).toBe(count * 10_000 >= parts * all);
          expect(exceeds(count, all, rate)).toBe(count * 10_000 > parts * all);
        },
      ),
      { numRuns: times(500, 5000) },
    );
  });
});
