import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { firstDifference } from "../../../../../src/core/modules/swap/judging/compare.ts";

const EXACT = { relative: 0, absolute: 0 };

describe("two answers", () => {
  it("are equal if they are the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(firstDifference(value, structuredClone(value), EXACT)).toBeUndefined();
      }),
    );
  });

  it("differ exactly if their JSON differs, in any order of members", () => {
    const sorted = (_: string, part: unknown): unknown =>
      typeof part === "object" && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
        : part;
    const value = fc.jsonValue({ maxDepth: 3 }).filter((one) => !JSON.stringify(one).includes("-0"));
    fc.assert(
      fc.property(value, value, (one, other) => {
        const equal = JSON.stringify(one, sorted) === JSON.stringify(other, sorted);
        expect(firstDifference(one, other, EXACT) === undefined).toBe(equal);
      }),
    );
  });

  it("are distinguished by the first place in which they differ", () => {
    const difference = firstDifference({ fills: [{ price: 1 }] }, { fills: [{ price: 2 }] }, EXACT);
    expect(difference).toEqual({ path: "output.fills[0].price", current: 1, candidate: 2 });
    expect(firstDifference([1], [1, 2], EXACT)).toEqual({ path: "output[1]", current: undefined, candidate: 2 });
    expect(firstDifference({}, [], EXACT)?.path).toBe("output");
    expect(firstDifference({ constructor: 1 }, {}, EXACT)?.path).toBe("output.constructor");
  });

  it("may differ in numbers by the absolute or the relative tolerance", () => {
    expect(firstDifference(100, 101, { relative: 0.01, absolute: 0 })).toBeUndefined();
    expect(firstDifference(100, 102, { relative: 0.01, absolute: 0 })).toBeDefined();
    expect(firstDifference(0, 0.5, { relative: 0.01, absolute: 0.5 })).toBeUndefined();
    expect(firstDifference("1", 1, { relative: 1, absolute: 9 })).toBeDefined();
  });

  it("are compared byte by byte if they are bytes", () => {
    expect(firstDifference(new Uint8Array([1]), new Uint8Array([1]), EXACT)).toBeUndefined();
    expect(firstDifference(new Uint8Array([1]), new Uint8Array([2]), EXACT)).toBeDefined();
    expect(firstDifference(new Uint8Array([1]), [1], EXACT)).toBeDefined();
  });
});
