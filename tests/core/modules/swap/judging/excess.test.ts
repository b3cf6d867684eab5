import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../../../scripts/seeded.ts";
import { Excess, nearestNull } from "../../../../../src/core/modules/swap/judging/excess.ts";

const rates = fc.double({ min: 0, max: 1, noNaN: true });
const inside = fc.double({ min: 0.001, max: 0.999, noNaN: true });

/** Calls: whether each is to the candidate, and whether it is a hit. */
const histories = fc.array(fc.tuple(fc.boolean(), fc.boolean()), { maxLength: 40 });

/** The probability of that many hits among that many calls. */
function binomial(calls: number, hits: number, rate: number): number {
  let ways = 1;
  for (let each = 0; each < hits; each += 1) ways = (ways * (calls - each)) / (each + 1);
  return ways * rate ** hits * (1 - rate) ** (calls - hits);
}

function excessAfter(margin: number, history: readonly (readonly [boolean, boolean])[]): Excess {
  const excess = new Excess(margin);
  for (const [isCandidate, isHit] of history) excess.add(isCandidate, isHit);
  return excess;
}

/** Adds a block of `many` calls to one version and one call to the other, with that many hits. */
function addBlock(excess: Excess, isCandidateMany: boolean, many: number, hitsOfMany: number, hitsOfOne: number): void {
  for (let call = 0; call < many; call += 1) excess.add(isCandidateMany, call < hitsOfMany);
  excess.add(!isCandidateMany, hitsOfOne === 1);
}

describe("evidence against a candidate", () => {
  it("has an expected growth of at most 1 in each block while the candidate is no worse than allowed", () => {
    fc.assert(
      fc.property(
        histories,
        rates,
        rates,
        rates,
        fc.integer({ min: 1, max: 6 }),
        fc.boolean(),
        (before, margin, current, closeness, many, isCandidateMany) => {
          // The rest of an unfinished block belongs to that block.
          const history = [...before, [true, false], [false, false]] as const;
          fc.pre(excessAfter(margin, history).isBetween);
          const candidate = closeness * Math.min(1, current + margin);
          const [rateOfMany, rateOfOne] = isCandidateMany ? [candidate, current] : [current, candidate];
          let expected = 0;
          for (let hitsOfMany = 0; hitsOfMany <= many; hitsOfMany += 1) {
            for (const hitsOfOne of [0, 1]) {
              const excess = excessAfter(margin, history);
              const evidence = excess.evidence;
              addBlock(excess, isCandidateMany, many, hitsOfMany, hitsOfOne);
              const chance = binomial(many, hitsOfMany, rateOfMany) * binomial(1, hitsOfOne, rateOfOne);
              expected += chance * (excess.evidence / evidence);
            }
          }
          expect(expected).toBeLessThanOrEqual(1 + 1e-9);
        },
      ),
    );
  });

  it("compares with the nearest allowed pair of rates", () => {
    const divergence = (from: number, to: number): number =>
      from * Math.log(from / to) + (1 - from) * Math.log((1 - from) / (1 - to));
    fc.assert(
      fc.property(inside, inside, rates, rates, fc.nat(50), fc.nat(50), (one, other, share, at, n, m) => {
        const [a, b] = [Math.min(one, other), Math.max(one, other)];
        const margin = share * (b - a) * 0.99;
        fc.pre(b - a - margin >= 1e-6);
        const distance = (x: number): number => (n + 1) * divergence(a, x) + (m + 1) * divergence(b, x + margin);
        const x = nearestNull(a, b, n + 1, m + 1, margin);
        const elsewhere = a + at * (b - margin - a);
        expect(distance(x)).toBeLessThanOrEqual(distance(elsewhere) + 1e-9);
      }),
    );
  });

  it("counts the calls of an unfinished block when it decides whether it is doubtful", () => {
    fc.assert(
      fc.property(rates, histories, histories, (margin, before, burst) => {
        fc.pre(burst.length > 0);
        const whole = excessAfter(margin, before);
        fc.pre(whole.isBetween);
        const open = burst.map(([, isHit]) => [true, isHit] as const);
        const { evidence } = whole;
        for (const [isCandidate, isHit] of open) whole.add(isCandidate, isHit);
        expect(whole.isBetween).toBe(false);
        expect(whole.evidence).toBe(evidence);
        const other = excessAfter(margin, [...open, ...before]);
        expect(whole.deviations).toBe(other.deviations);
      }),
    );
    const excess = excessAfter(
      0.01,
      [...Array(60)].flatMap(
        () =>
          [
            [false, false],
            [true, false],
          ] as const,
      ),
    );
    expect(excess.isDoubtful).toBe(false);
    for (let call = 0; call < 40; call += 1) excess.add(true, true);
    expect(excess).toMatchObject({ isDoubtful: true, evidence: 1 });
    for (let call = 0; call < 4000; call += 1) excess.add(true, false);
    expect(excess.isDoubtful).toBe(false);
  });

  it("stays low while both versions fail at the same times, however many calls fail", () => {
    const excess = new Excess(0.01);
    for (let round = 0; round < 200; round += 1) {
      const isOutage = round % 10 < 5;
      for (let call = 0; call < 5; call += 1) excess.add(false, isOutage);
      excess.add(true, isOutage);
    }
    expect(excess.evidence).toBeLessThan(5);
  });

  it("begins when both versions were called, and stays a number after any number of calls", () => {
    const excess = new Excess(0);
    for (let call = 0; call < 10_000; call += 1) excess.add(true, true);
    expect(excess.evidence).toBe(1);
    for (let call = 0; call < 100_000; call += 1) {
      excess.add(false, false);
      excess.add(true, true);
    }
    expect(excess.evidence).toBeGreaterThan(1e300);
    for (let call = 0; call < 100_000; call += 1) {
      excess.add(false, true);
      excess.add(true, false);
    }
    expect(excess.evidence).toBeGreaterThanOrEqual(0);
    expect(excess.evidence).not.toBeNaN();
  });

  it("reaches 100 in less than 1 % of 2,000 comparisons of equal rates, even if it is checked after each call", () => {
    const random = seeded(7);
    let refused = 0;
    for (let comparison = 0; comparison < 2000; comparison += 1) {
      const excess = new Excess(0);
      for (let call = 0; call < 400; call += 1) {
        excess.add(random() < 0.3, random() < 0.1);
        if (excess.evidence < 100) continue;
        refused += 1;
        break;
      }
    }
    expect(refused).toBeLessThan(20);
  });
});
