import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AnswerCount,
  AnswerSums,
  MAX_ANSWERS,
  MAX_COUNT,
  OTHER_VARIANT,
} from "../../../../src/core/flags/counts/answers.ts";
import { times } from "../../../effort.ts";

const numRuns = times(200, 5_000);

const reason = fc.constantFrom("SPLIT", "STATIC", "ERROR", "UNSPECIFIED");
const errorCode = fc.constantFrom(undefined, "CONDITION_FAILED", "FLAG_NOT_FOUND");
const countOf = (variant: fc.Arbitrary<string>, most: number): fc.Arbitrary<AnswerCount> =>
  fc.record({
    variant,
    reason: reason as fc.Arbitrary<AnswerCount["reason"]>,
    errorCode: errorCode as fc.Arbitrary<AnswerCount["errorCode"]>,
    count: fc.integer({ min: 1, max: most }),
    lastTime: fc.integer({ min: 0, max: 2e12 }),
  });
/** Variants whose names could be taken for parts of a key. */
const few = countOf(fc.constantFrom("on", "off", "", "a\n", "a", "\nSPLIT", OTHER_VARIANT), 1e6);
const many = countOf(fc.nat(2_000).map(String), 1e6);
const huge = countOf(fc.constantFrom("on", "off"), MAX_COUNT);

const summed = (counts: readonly AnswerCount[]): AnswerSums => {
  const sums = new AnswerSums();
  sums.addAll(counts);
  return sums;
};
const plain = (counts: readonly AnswerCount[]): number => counts.reduce((total, { count }) => total + count, 0);

describe("the sums of answers", () => {
  it("are those of a plain count, in any order and grouping", () => {
    fc.assert(
      fc.property(fc.array(few, { maxLength: 60 }), fc.nat(60), fc.boolean(), (counts, cut, turned) => {
        const parts = [summed(counts.slice(0, cut)), summed(counts.slice(cut))];
        if (turned) parts.reverse();
        const sums = new AnswerSums();
        for (const part of parts) sums.addAll(part.values());
        const expected = new Map<string, { count: number; lastTime: number }>();
        for (const { count, lastTime, ...answer } of counts) {
          const key = JSON.stringify([answer.variant, answer.reason, answer.errorCode]);
          const known = expected.get(key) ?? { count: 0, lastTime: 0 };
          expected.set(key, { count: known.count + count, lastTime: Math.max(known.lastTime, lastTime) });
        }
        const found = sums.list().map(({ variant, reason: why, errorCode: code, ...rest }) => {
          return [JSON.stringify([variant, why, code]), rest] as const;
        });
        expect(new Map(found)).toEqual(expected);
        expect(sums.total()).toBe(plain(counts));
        expect(sums.lastTime()).toBe(counts.length === 0 ? undefined : Math.max(...counts.map((one) => one.lastTime)));
      }),
      { numRuns },
    );
  });

  it("are at most so many, and lose no count", () => {
    fc.assert(
      fc.property(fc.array(many, { minLength: 200, maxLength: 900 }), fc.nat(900), (counts, cut) => {
        const sums = new AnswerSums();
        for (const [at, count] of counts.entries()) sums.add(count, at < cut);
        expect(sums.size).toBeLessThanOrEqual(MAX_ANSWERS);
        expect(sums.total()).toBe(plain(counts));
      }),
      { numRuns: times(30, 1_000) },
    );
  });

  it("stop at the largest count", () => {
    fc.assert(
      fc.property(fc.array(huge, { minLength: 1, maxLength: 20 }), (counts) => {
        const sums = summed(counts);
        const exact = counts.reduce((total, { count }) => total + BigInt(count), 0n);
        expect(BigInt(sums.total())).toBe(exact < MAX_COUNT ? exact : BigInt(MAX_COUNT));
        for (const { count } of sums.values()) expect(Number.isSafeInteger(count)).toBe(true);
      }),
      { numRuns },
    );
  });

  it("are listed from the most frequent on, always in the same order", () => {
    fc.assert(
      fc.property(fc.array(few, { maxLength: 40 }), (counts) => {
        const listed = summed(counts).list();
        expect(listed.map(({ count }) => count)).toEqual(listed.map(({ count }) => count).sort((a, b) => b - a));
        const reversed = summed([...counts].reverse()).list();
        expect(reversed).toEqual(listed);
      }),
      { numRuns },
    );
  });
});
