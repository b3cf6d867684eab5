import fc from "fast-check";
import { expect, it } from "vitest";
import { atOnce } from "../../../../src/core/async/steps.ts";
import { digestingOf } from "../../../../src/core/flags/file/digest.ts";
import { prefixedMurmur3 } from "../../../../src/kernel/flags/bucket.ts";

it("the digest of a flags file is that of its whole text, however the text is divided", () => {
  const around = fc.string({ unit: fc.constantFrom("a", "é", "\u2028", "😀", "\ud83d", "\ude00"), maxLength: 6 });
  fc.assert(
    fc.property(fc.array(around, { maxLength: 3 }), fc.integer({ min: 65_530, max: 65_540 }), (parts, length) => {
      const text = parts.map((part) => "x".repeat(length) + part).join("");
      const whole = [0, 1, 2, 3].map((seed) => prefixedMurmur3("", seed)(text).toString(16).padStart(8, "0")).join("");
      expect(atOnce(digestingOf(text))).toBe(`${whole}-${text.length}`);
    }),
    { numRuns: 10 },
  );
});
