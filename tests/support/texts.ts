import fc from "fast-check";

const [FIRST_SURROGATE, SURROGATES, MAX_CODE_POINT] = [0xd800, 0x800, 0x10ffff];

/**
 * Any character but lone surrogates, for texts: `fc.string({ unit: anyCharacter })`. The unit "binary" of fast-check has the
 * same characters, but takes seconds to list all of them.
 */
export const anyCharacter: fc.Arbitrary<string> = fc.nat(MAX_CODE_POINT - SURROGATES).map(
  (number) => String.fromCodePoint(number < FIRST_SURROGATE ? number : number + SURROGATES),
  (character) => {
    const code = typeof character === "string" ? character.codePointAt(0) : undefined;
    const isOne = code !== undefined && String.fromCodePoint(code) === character;
    if (!isOne || (code >= FIRST_SURROGATE && code < FIRST_SURROGATE + SURROGATES)) throw new Error("not a character");
    return code < FIRST_SURROGATE ? code : code - SURROGATES;
  },
);
