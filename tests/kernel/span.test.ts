import { describe, expect, it } from "vitest";
import { LONGEST_SPAN_MS, spanProblem } from "../../src/kernel/span.ts";

describe("a span of time from a caller", () => {
  it.each([0, 0.5, 1, 2 ** 31, LONGEST_SPAN_MS])("may be %d", (ms) => {
    expect(spanProblem(ms)).toBeUndefined();
  });

  it.each([
    -1,
    -0.001,
    Number.NaN,
    LONGEST_SPAN_MS + 1,
    1e300,
    Infinity,
    -Infinity,
    "5",
    null,
    {},
    5n,
    true,
    undefined,
  ])("may not be %o", (value) => {
    expect(spanProblem(value)).toMatch(/^must be a number of ms, at least 0 and at most 315576000000000, not /);
  });

  it("may be infinite if that means never", () => {
    expect(spanProblem(Infinity, { mayBeInfinite: true })).toBeUndefined();
    expect(spanProblem(-Infinity, { mayBeInfinite: true })).toContain("(or Infinity: never), not -Infinity");
  });
});
