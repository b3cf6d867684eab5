import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeliosError } from "../../../src/core/errors/error.ts";
import { decodeToken, encodeToken, scopeOf } from "../../../src/core/watch/token.ts";
import { anyCharacter } from "../../support/texts.ts";

describe("a resume token", () => {
  it("is URL-safe text that decodes to its position", () => {
    fc.assert(
      fc.property(fc.uuid(), fc.nat(2 ** 40), fc.array(fc.string()), (incarnation, revision, names) => {
        const position = { incarnation, revision, scope: scopeOf("flag/", names) };
        const token = encodeToken(position);
        expect(token).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(decodeToken(token)).toEqual(position);
      }),
    );
  });

  it("a token of invalid text is refused with the text, shortened", () => {
    const foreign = [
      "x",
      "%%%",
      " ",
      btoa("2:abc:1"),
      btoa("1:abc:-1"),
      btoa("1:abc:1e3"),
      btoa("1::1"),
      btoa("1:a:b:1:x"),
      "é",
    ];
    for (const token of [...foreign, "x".repeat(5000)]) {
      const error = caught(() => decodeToken(token));
      expect(error).toBeInstanceOf(HeliosError);
      expect(error).toMatchObject({ reason: "RESUME_TOKEN_INVALID", metadata: { resume_token: token.slice(0, 200) } });
    }
  });

  it("a token of any text either decodes to a position or is refused", () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (token) => {
        const error = caught(() => decodeToken(token));
        if (error !== undefined) expect(error).toMatchObject({ reason: "RESUME_TOKEN_INVALID" });
      }),
    );
  });
});

function caught(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
