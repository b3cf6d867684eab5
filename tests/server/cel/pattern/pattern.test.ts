import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Run } from "../../../../src/kernel/flags/condition/budget.ts";
import { matcherOf } from "../../../../src/kernel/flags/condition/pattern.ts";
import { PatternError, patternOf } from "../../../../src/server/cel/pattern/compile.ts";
import { times } from "../../../effort.ts";

const matches = (pattern: string, text: string): boolean => matcherOf(patternOf(pattern))(text, new Run(1e9, 1e9));

/** Patterns with the same meaning in RE2 and on the platform. */
const { pattern } = fc.letrec<Record<"pattern" | "part" | "atom", string>>((tie) => ({
  atom: fc.constantFrom(
    ..."a b c é 🚀 . ^ $ \\d \\w \\W \\b \\B \\n \\. [abc] [^ab] [a-cé-ü] [\\d_] [^🚀] \\p{L} \\P{Lu} \\x61 () (?:)".split(
      " ",
    ),
  ),
  part: fc.oneof(
    { depthSize: "small" },
    tie("atom"),
    fc
      .tuple(
        fc.oneof(
          fc.constantFrom("a", "b", ".", "\\d", "[ab]"),
          tie("pattern").map((each) => `(?:${each})`),
        ),
        fc.constantFrom("*", "+", "?", "*?", "+?", "{2}", "{0,2}", "{1,}", "{0}"),
      )
      .map(([body, times]) => body + times),
    tie("pattern").map((each) => `(${each})`),
  ),
  pattern: fc.oneof(
    { depthSize: "small" },
    fc.array(tie("part"), { maxLength: 4 }).map((parts) => parts.join("")),
    fc.tuple(tie("part"), tie("part")).map((both) => both.join("|")),
  ),
}));
const text = fc.string({ unit: fc.constantFrom(..."aabbcé🚀Z9_. \n".split("")), maxLength: 8 });
const whole = fc.array(fc.constantFrom("a", "b", "c", "é", "🚀", "Z", "9", "_", ".", " ", "\n"), { maxLength: 8 });

describe("a pattern", () => {
  it("matches like the platform's regular expressions, where both have the same meaning", () => {
    fc.assert(
      fc.property(pattern, whole, (source, parts) => {
        const subject = parts.join("");
        // The platform's \b and \w treat line ends as RE2 does; its . does so only with this flag.
        const platform = new RegExp(source.replaceAll("\\p{", "\\p{gc=").replaceAll("\\P{", "\\P{gc="), "uy");
        // Matched at each character, because the platform also tries positions inside a surrogate pair, where \B matches.
        const starts = [0, ...parts.map((_, index) => parts.slice(0, index + 1).join("").length)];
        const isMatch = starts.some((at) => {
          platform.lastIndex = at;
          return platform.test(subject);
        });
        expect([source, subject, matches(source, subject)]).toEqual([source, subject, isMatch]);
      }),
      { numRuns: times(400, 4000) },
    );
  });

  it("matches without regard to case like the platform", () => {
    const letters = fc.constantFrom(..."aAkKsSéÉßẞσςΣıİiIǅǆ\u212aſ".split(""));
    const sets = fc.array(letters, { minLength: 1, maxLength: 3 }).map((each) => `[${each.join("")}]`);
    fc.assert(
      fc.property(fc.oneof(letters, sets), letters, (source, subject) => {
        const platform = new RegExp(`^${source}$`, "iu");
        expect([source, subject, matches(`(?i)^${source}$`, subject)]).toEqual([
          source,
          subject,
          platform.test(subject),
        ]);
      }),
      { numRuns: 500 },
    );
  });

  it("a pattern of any text is compiled or refused, and matches any text in time bounded by both lengths", () => {
    const piece = fc.constantFrom(
      ..."a b ( ) (?: (?i) (?P<n> [ ] [^ ^ $ * + ? {2} {2,} {,3} {1000} | \\ \\p{L} \\pN \\Q \\E \\b [[:alpha:]] - . é 🚀".split(
        " ",
      ),
    );
    const any = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(any, text, (source, subject) => {
        const run = new Run(1e9, 1e9);
        try {
          const compiled = patternOf(source);
          expect(compiled.instructions.length).toBeLessThanOrEqual(1000);
          expect(typeof matcherOf(compiled)(subject, run)).toBe("boolean");
          expect(run.steps).toBeLessThanOrEqual(((compiled.instructions.length + 1) * (subject.length + 1)) / 4);
        } catch (error) {
          expect(error).toBeInstanceOf(PatternError);
        }
      }),
      { numRuns: times(400, 4000) },
    );
  });

  it("is fast even if other engines would match for ever", () => {
    const run = new Run(1e9, 1e9);
    for (const source of ["^(a+)+$", "(a|a)*b", "(a?){60}a{60}b", "(x+x+)+y|(a*)*b"]) {
      expect(matcherOf(patternOf(source))("a".repeat(2000), run)).toBe(source === "^(a+)+$");
    }
    expect(run.steps).toBeLessThan(200_000);
  });
});
