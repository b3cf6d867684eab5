import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nearest } from "../../../src/core/text/nearest.ts";

const KEYS = ["enabled", "strategy", "percentage", "salt"];

describe("nearest", () => {
  it.each([
    ["enable", "enabled"],
    ["percentag", "percentage"],
    ["precentage", "percentage"],
    ["STRATEGY", "strategy"],
    ["sal", "salt"],
  ])("suggests for %s the name %s", (word, key) => {
    expect(nearest(word, KEYS)).toBe(key);
  });

  it("suggests nothing if no name is near", () => {
    expect(nearest("whitelist", KEYS)).toBeUndefined();
    expect(nearest("", KEYS)).toBeUndefined();
  });

  it("suggests the first of the names with the fewest wrong letters, at most a third", () => {
    const distance = (a: string, b: string): number => {
      if (a === "" || b === "") return a.length + b.length;
      const [x, y] = [a.slice(1), b.slice(1)];
      if (a[0] === b[0]) return distance(x, y);
      return 1 + Math.min(distance(x, y), distance(x, b), distance(a, y));
    };
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });
    fc.assert(
      fc.property(word, fc.array(word, { maxLength: 5 }), (asked, known) => {
        const far = known.map((each) => distance(asked, each));
        const least = Math.min(...far);
        const isNear = least <= Math.max(1, Math.floor(asked.length / 3));
        expect(nearest(asked, known)).toBe(isNear ? known[far.indexOf(least)] : undefined);
      }),
    );
  });
});
