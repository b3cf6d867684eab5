import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HpackDecoder } from "../../../../src/server/transport/hpack/decoder.ts";
import { encodeBlock } from "../../../../src/server/transport/hpack/encoder.ts";
import { STATIC_NAMES, STATIC_VALUES } from "../../../../src/server/transport/hpack/static-table.ts";
import { times } from "../../../effort.ts";
import { anyField, latin1 } from "./encoder.ts";

describe("an encoded block", () => {
  it("decodes to the same fields, and leaves the table empty", () => {
    const field = fc.oneof(anyField, fc.tuple(fc.constantFrom(...STATIC_NAMES), latin1(300)));
    fc.assert(
      fc.property(fc.array(field, { maxLength: 20 }), (fields) => {
        // A table of 0 bytes refuses an index of the dynamic table, and adds nothing to it.
        expect(new HpackDecoder(0).decode(encodeBlock(fields.flat())).fields).toEqual(fields.flat());
      }),
      { numRuns: times(300, 5000) },
    );
  });

  it.each<readonly [readonly string[], string]>([
    [[":status", "200"], "88"],
    [[":status", "404"], "8d"],
    [[":status", "418"], "0803343138"],
    [[":path", "/sample/path"], "040c2f73616d706c652f70617468"],
    [["content-type", "a"], "0f100161"],
    [["accept-encoding", "gzip, deflate"], "90"],
    [["accept", ""], "93"],
    [["te", "a"], "000274650161"],
    [[], ""],
  ])("of %j is %s", (fields, hex) => {
    expect(encodeBlock(fields).toString("hex")).toBe(hex);
  });

  it.each([
    [126, "7e"],
    [127, "7f00"],
    [254, "7f7f"],
    [255, "7f8001"],
    [300, "7fad01"],
    [70_000, "7ff1a104"],
  ])("writes the length %i as %s", (length, hex) => {
    expect(encodeBlock(["te", "x".repeat(length)]).toString("hex")).toBe(`00027465${hex}${"78".repeat(length)}`);
  });

  it("has room for long names and values", () => {
    const fields = ["n".repeat(70_000), "v".repeat(70_000), "n".repeat(200), "v".repeat(3_000_000)];
    const decoded = new HpackDecoder(0).decode(encodeBlock(fields), 4_000_000).fields;
    expect(decoded.map((text, index) => text === fields[index])).toEqual([true, true, true, true]);
  });

  it("has one byte for each entry of the static table", () => {
    const entries = STATIC_NAMES.slice(1).map((name, index) => [name, STATIC_VALUES[index + 1] ?? ""]);
    const withValue = entries.filter(([, value]) => value !== "");
    expect(withValue.length).toBe(14);
    for (const entry of withValue) {
      const index = entries.indexOf(entry) + 1;
      expect(encodeBlock(entry)).toEqual(Buffer.of(0x80 | index));
    }
  });

  it("does not hold a character beyond Latin-1, which would become another one", () => {
    expect(() => encodeBlock(["a", "\u010a"])).toThrow("expected Latin-1 characters");
    expect(() => encodeBlock(["\u0161", "a"])).toThrow(TypeError);
  });

  it("does not hold a name without a value", () => {
    expect(() => encodeBlock(["a"])).toThrow("the last name has no value");
  });
});
