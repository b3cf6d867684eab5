import { describe, expect, it } from "vitest";
import { nearest } from "../../src/core/nearest.ts";

const KEYS = ["enabled", "strategy", "percentage", "salt"];

describe("nearest", () => {
  it.each([
    ["enable", "enabled"],
    ["percentag", "percentage"],
    ["precentage", "percentage"],
    ["STRATEGY", "strategy"],
    ["sal", "salt"],
  ])("takes %s for %s", (word, key) => {
    expect(nearest(word, KEYS)).toBe(key);
  });

  it("does not guess where nothing is near", () => {
    expect(nearest("whitelist", KEYS)).toBeUndefined();
    expect(nearest("", KEYS)).toBeUndefined();
  });
});
