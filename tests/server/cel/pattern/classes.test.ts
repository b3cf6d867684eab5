import { describe, expect, it } from "vitest";
import { ALIKE, foldedCase, unicodeClass } from "../../../../src/server/cel/pattern/classes.ts";
import { PatternError, patternOf } from "../../../../src/server/cel/pattern/compile.ts";
import { MAX_BOUNDS } from "../../../../src/server/cel/pattern/parse.ts";
import { changesOf, changesProbed } from "../../../../src/server/cel/zones.ts";

const textOf = (first: number, last: number): string => {
  const parts: string[] = [];
  for (let from = first; from <= last; from += 4096) {
    const length = Math.min(4096, last - from + 1);
    parts.push(String.fromCodePoint(...Array.from({ length }, (_, index) => from + index)));
  }
  return parts.join("");
};

describe("the character classes of Unicode", () => {
  it.each(ALIKE)("are equal for all characters from %i to %i, of which only the first is compared", (first, last) => {
    const text = textOf(first, last);
    expect(["Lo", "Co", "Cn"].filter((category) => new RegExp(`^\\p{gc=${category}}*$`, "u").test(text))).toHaveLength(
      1,
    );
    const scripts = ["Han", "Hangul", "Unknown"];
    expect(scripts.filter((script) => new RegExp(`^\\p{Script=${script}}*$`, "u").test(text))).toHaveLength(1);
  });

  it.each(["L", "Lu", "Mn", "Nd", "Sc", "Zs", "Co", "Cn", "Greek", "Han", "Hangul"])(
    "contain for %s the characters that the platform knows",
    (name) => {
      const property = name.length <= 2 ? `gc=${name}` : `Script=${name}`;
      const bounds = unicodeClass(name) ?? [];
      expect(bounds.length).toBeGreaterThan(0);
      const all = new RegExp(`^\\p{${property}}*$`, "u");
      const none = new RegExp(`^\\P{${property}}*$`, "u");
      const apart = (low: number, high: number, pattern: RegExp): boolean =>
        low > high || pattern.test(textOf(low, high).replace(/[\ud800-\udfff]/gu, ""));
      for (let at = 0; at < bounds.length; at += 2) {
        const [low, high, next = 0x110000] = bounds.slice(at, at + 3) as [number, number, number?];
        expect([name, low, apart(low, high, all), apart(high + 1, next - 1, none)]).toEqual([name, low, true, true]);
      }
    },
  );

  it("contain without regard to case the characters that the platform treats as the same letter", () => {
    const letters = [...textOf(0, 0xd7ff), ...textOf(0xe000, 0x1ffff)].filter((char) =>
      /\p{Changes_When_Casemapped}/u.test(char),
    );
    expect(letters.length).toBeGreaterThan(2500);
    for (const letter of letters) {
      const point = letter.codePointAt(0) as number;
      const bounds = foldedCase([point, point]);
      const folded: string[] = [];
      for (let at = 0; at < bounds.length; at += 2)
        folded.push(...textOf(bounds[at] as number, bounds[at + 1] as number));
      const same = new RegExp(`^\\u{${point.toString(16)}}+$`, "iu");
      const cases = [letter.toLowerCase(), letter.toUpperCase()].filter(
        (each) => [...each].length === 1 && same.test(each),
      );
      expect([letter, same.test(folded.join(""))]).toEqual([letter, true]);
      expect([letter, cases.filter((each) => !folded.includes(each))]).toEqual([letter, []]);
    }
  });

  it("cost no more if they are repeated, and many large ones are refused before they are merged", () => {
    expect(patternOf(`(?i)[${"\\p{L}".repeat(300)}]`).classes).toEqual(patternOf("(?i)[\\p{L}]").classes);
    expect(patternOf("\\p{L}".repeat(300)).classes).toHaveLength(1);
    const shared = ["\\p{L}a", "(?:\\p{L}|b)c"].map((pattern) => patternOf(pattern).classes);
    expect(new Set(shared.flat()).size).toBe(shared.flat().length - 1);
    const unicode = new Set<string>();
    const ofEight = ["Lu Ll Lt Lm Lo Mn Mc Me", "Nd Nl No Pc Pd Ps Pe Pi"].map((names) =>
      names.replace(/\w+ ?/g, "\\p{$&}").replaceAll(" }", "}"),
    );
    for (const pattern of [...ofEight, ...ofEight]) expect(patternOf(pattern, unicode).classes).toHaveLength(8);
    expect(() => patternOf("\\p{Pf}", unicode)).toThrow("more than 16 classes of Unicode are named");
    const many = Array.from({ length: 250 }, (_, at) => `[\\p{L}${at}]`).join("");
    expect(() => patternOf(many)).toThrow(PatternError);
    expect(() => patternOf(many)).toThrow(`its [ ] have more than ${MAX_BOUNDS} bounds of ranges`);
  });
});

describe("a time zone", () => {
  it.each(["Europe/Zurich", "Africa/Casablanca", "America/Sao_Paulo", "Asia/Tokyo", "Africa/Monrovia"])(
    "%s changes its clock at the times of the platform's calendar",
    (name) => {
      expect(changesOf(name) ?? changesProbed(name)).toEqual(changesProbed(name));
    },
  );
});
