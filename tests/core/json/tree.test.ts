import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_WHOLE_NUMBER } from "../../../src/core/json/numbers.ts";
import { pathText } from "../../../src/core/json/path.ts";
import { numberViolation } from "../../../src/core/json/tree.ts";

const UNFIT = [Number.NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 53), 1e20, 999_999_999_999_999_900_000];
const FIT = [0, -0, 1.5, -1e-300, 1e21, -1e300, MAX_WHOLE_NUMBER, -MAX_WHOLE_NUMBER, Number.MIN_VALUE];

const leaf = fc.oneof(fc.constantFrom(...FIT), fc.string(), fc.boolean(), fc.constant(null));
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie("tree")), fc.dictionary(fc.string(), tie("tree"))),
}));

/** A path from the outside in, and the siblings of each step. */
const steps = fc.array(fc.oneof(fc.nat(3), fc.string()), { maxLength: 6 });

function wrap(inner: unknown, path: readonly (string | number)[], beside: unknown): unknown {
  return path.reduceRight<unknown>((value, step) => {
    if (typeof step === "number") return [...Array.from({ length: step }, () => beside), value, beside];
    return Object.fromEntries([
      ["", beside],
      ["beside", beside],
      [step, value],
    ]);
  }, inner);
}

describe("a number in free-form JSON", () => {
  it("is found with its place, at any depth, if a double cannot hold it exactly", () => {
    fc.assert(
      fc.property(fc.constantFrom(...UNFIT), steps, tree, (number, path, beside) => {
        const found = numberViolation(wrap(number, path, beside), ["json"]);
        expect(found && pathText(found.path)).toBe(pathText(["json", ...path]));
      }),
    );
  });

  it("is accepted if a double holds it exactly", () => {
    fc.assert(
      fc.property(tree, (value) => {
        expect(numberViolation(value, [])).toBeUndefined();
      }),
    );
  });

  it("is found however deeply it is nested", () => {
    let value: unknown = Number.NaN;
    for (let depth = 0; depth < 200_000; depth += 1) value = [value];
    expect(numberViolation(value, [])?.path).toHaveLength(200_000);
  });
});
