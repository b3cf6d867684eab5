import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HpackDecoder, HpackError } from "../../../../src/server/transport/hpack/decoder.ts";
import { CODES } from "../../../../src/server/transport/hpack/huffman-code.ts";
import { times } from "../../../effort.ts";
import { anyPlans, createEncoder, huffman, integer, string } from "./encoder.ts";

const EOS = 256;
const bytes = (...parts: readonly (number | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.of(part) : part)));
/** A field `a: <the bytes as a Huffman code>`. */
const coded = (code: Buffer): Buffer => bytes(0x00, string("a", false), integer(code.length, 0x7f, 0x80), code);
const setSize = (size: number): Buffer => integer(size, 0x1f, 0x20);
const indexing = (name: string, value: string): Buffer => bytes(0x40, string(name, false), string(value, false));
const sizeOf = (fields: readonly (readonly string[])[]): number =>
  fields.reduce((sum, [name = "", value = ""]) => sum + name.length + value.length + 32, 0);

describe("a decoder", () => {
  it.each([4096, 300, 65_536, 0])("reads every form of a field, with tables of up to %i bytes", (mostBytes) => {
    fc.assert(
      fc.property(anyPlans(mostBytes), (plans) => {
        const encoder = createEncoder(mostBytes);
        const decoder = new HpackDecoder(mostBytes);
        for (const plan of plans) {
          const fields = plan.fields.map(({ field }) => field);
          expect(decoder.decode(encoder.encode(plan))).toEqual({
            fields: fields.flat(),
            bytes: sizeOf(fields),
            truncated: false,
          });
        }
      }),
      { numRuns: times(150, 1500) },
    );
  });

  it("throws nothing but HpackError for any bytes", () => {
    const randomBlocks = fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 });
    const spoiled = fc.tuple(anyPlans(4096), fc.nat(), fc.nat({ max: 255 })).map(([plans, where, byte]) => {
      const encoder = createEncoder(4096);
      const blocks = plans.map((plan) => encoder.encode(plan));
      const long = blocks.filter(({ length }) => length > 0);
      const block = long[where % Math.max(1, long.length)];
      if (block !== undefined) block[where % block.length] = byte;
      return blocks;
    });
    const outcomes = { read: 0, refused: 0 };
    fc.assert(
      fc.property(fc.oneof(randomBlocks, spoiled), (blocks) => {
        const decoder = new HpackDecoder();
        try {
          for (const block of blocks) decoder.decode(block);
          outcomes.read += 1;
        } catch (error) {
          expect(error).toBeInstanceOf(HpackError);
          outcomes.refused += 1;
        }
      }),
      { numRuns: times(500, 10_000) },
    );
    expect(outcomes.read).toBeGreaterThan(10);
    expect(outcomes.refused).toBeGreaterThan(10);
  });

  it("does not change a list when it decodes the next block, nor when the bytes of the block change", () => {
    const decoder = new HpackDecoder();
    const block = bytes(0x00, string("a-long-name-of-a-field", true), string("a long value of a field", false));
    const first = decoder.decode(block);
    block.fill(0);
    decoder.decode(bytes(0x00, string("b".repeat(40), false), string("c".repeat(40), false)));
    expect(first.fields).toEqual(["a-long-name-of-a-field", "a long value of a field"]);
  });

  it("reads strings of hundreds of kilobytes", () => {
    const value = "\u00ff~a".repeat(70_000);
    const block = bytes(0x00, string("a", false), string(value, true), 0x00, string("b", true), string(value, false));
    const { fields } = new HpackDecoder().decode(block, 4 * 1024 * 1024);
    expect(fields.map((field) => field === value || field)).toEqual(["a", true, "b", true]);
  });
});

describe("a block that violates RFC 7541", () => {
  const after = indexing("x", "y");
  it.each<readonly [string, Buffer, string]>([
    ["index 0", bytes(0x80), "index of a field is 0"],
    ["an index beyond the table", bytes(0xbe), "index of a field is 62"],
    ["an index beyond the table's only entry", bytes(after, 0xbf), "last entry of the table has the index 62"],
    ["an indexed name beyond the table", bytes(0x7e, string("a", false)), "index of a field is 62"],
    ["a huge index", integer(2 ** 31, 0x7f, 0x80), "index of a field is 2147483648"],
    ["an integer above 2^31", integer(2 ** 31 + 1, 0x7f, 0x80), "an integer exceeds"],
    ["an integer of 2^53", integer(2 ** 53, 0x7f, 0x80), "an integer exceeds"],
    ["an integer with six further bytes", bytes(0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00), "an integer exceeds"],
    ["an integer without an end", bytes(0xff, 0x80), "ends within an integer"],
    ["a name without a value", bytes(0x00, string("a", false)), "ends before a string"],
    ["an index without a value", bytes(0x04), "ends before a string"],
    ["a field without a name", bytes(0x40), "ends before a string"],
    ["a string that is cut off", bytes(0x00, string("abc", false).subarray(0, 3)), "3 bytes, but 2 bytes are left"],
    ["a string of 2^31 bytes", bytes(0x00, integer(2 ** 31, 0x7f, 0)), "bytes are left"],
    ["a new table size after a field", bytes(0x82, setSize(0)), "changes after the first field"],
    ["a table size above the maximum", setSize(4097), "at most 4096 bytes, but is set to 4097"],
    ["a second table size above the maximum", bytes(setSize(0), setSize(5000)), "is set to 5000"],
    ["EOS", coded(huffman([EOS])), "EOS"],
    ["EOS between symbols", coded(huffman([0x61, EOS, 0x61])), "EOS"],
    ["padding of 8 bits", coded(bytes(huffman(Buffer.from("00000000")), 0xff)), "padding"],
    ["padding of 11 bits", coded(bytes(huffman([0x61]), 0xff)), "padding"],
    ["padding with zeros", coded(huffman([0x61], "0000000")), "padding"],
    ["padding with a zero at its end", coded(huffman([0x61], "110")), "padding"],
    ["nothing but padding of 8 bits", coded(bytes(0xff)), "padding"],
    ["a code that is cut off", coded(huffman([0x21]).subarray(0, 1)), "padding"],
  ])("is refused: %s", (_, block, message) => {
    const decode = () => new HpackDecoder().decode(block);
    expect(decode).toThrow(HpackError);
    expect(decode).toThrow(message);
  });

  it.each<readonly [string, Buffer, readonly string[]]>([
    ["no fields", bytes(), []],
    ["only a new table size", setSize(0), []],
    ["several table sizes at the start", bytes(setSize(0), setSize(4096), 0x82), [":method", "GET"]],
    ["an integer with five further bytes", bytes(0x0f, 0x80, 0x80, 0x80, 0x80, 0x00, 0x00), ["accept-charset", ""]],
    ["an empty string as a Huffman code", bytes(0x04, 0x80), [":path", ""]],
    ["an empty name", bytes(0x00, 0x00, 0x01, 0x61), ["", "a"]],
    ["padding of 7 bits", coded(huffman([0x3f, 0x61, 0x21])), ["a", "?a!"]],
  ])("is not one with %s", (_, block, fields) => {
    expect(new HpackDecoder().decode(block).fields).toEqual(fields);
  });
});

describe("the dynamic table", () => {
  it("starts with 4096 bytes even if the client may enlarge it", () => {
    const decoder = new HpackDecoder(8192);
    const big = bytes(indexing("a", "v".repeat(4063)), indexing("b", "v".repeat(4063)));
    decoder.decode(big);
    expect(() => decoder.decode(bytes(0xbe))).not.toThrow();
    expect(() => decoder.decode(bytes(0xbf))).toThrow(HpackError);
    const larger = new HpackDecoder(8192);
    larger.decode(bytes(setSize(8192), big));
    expect(larger.decode(bytes(0xbf)).fields[0]).toBe("a");
  });

  it("is emptied by a field that is larger than the table", () => {
    const decoder = new HpackDecoder();
    decoder.decode(indexing("a", "b"));
    expect(decoder.decode(indexing("large", "v".repeat(4096))).fields[0]).toBe("large");
    expect(() => decoder.decode(bytes(0xbe))).toThrow(HpackError);
  });

  it("keeps the name of an entry for a field that evicts this entry", () => {
    const decoder = new HpackDecoder(64);
    decoder.decode(indexing("name", "1"));
    expect(decoder.decode(bytes(0x7e, string("v".repeat(28), false))).fields[0]).toBe("name");
    expect(decoder.decode(bytes(0xbe)).fields).toEqual(["name", "v".repeat(28)]);
  });

  it("holds an entry of exactly its size", () => {
    const decoder = new HpackDecoder(40);
    decoder.decode(indexing("name", "1234"));
    expect(decoder.decode(bytes(0xbe)).fields).toEqual(["name", "1234"]);
  });
});

describe("a block with more fields than the list may have", () => {
  it("is read to its end, so that the table is right for the next block", () => {
    const decoder = new HpackDecoder();
    const list = decoder.decode(bytes(0x82, indexing("a", "1".repeat(60)), 0x00, string("c", true), 0x00, 0x84), 100);
    expect(list).toEqual({ fields: [":method", "GET"], bytes: 42 + 93 + 33 + 38, truncated: true });
    expect(decoder.decode(bytes(0xbe))).toEqual({ fields: ["a", "1".repeat(60)], bytes: 93, truncated: false });
  });

  it("is truncated one byte beyond the limit, and not at the limit", () => {
    const decode = (most: number) => new HpackDecoder().decode(bytes(0x82, 0x84), most).truncated;
    expect([80, 79].map(decode)).toEqual([false, true]);
  });

  it("does not expand a small block without bound", () => {
    const decoder = new HpackDecoder();
    decoder.decode(indexing("a", "v".repeat(4000)));
    const { fields, bytes: size, truncated } = decoder.decode(Buffer.alloc(16_384, 0xbe));
    expect(fields.length / 2).toBe(Math.floor((256 * 1024) / 4033));
    expect({ size, truncated }).toEqual({ size: 16_384 * 4033, truncated: true });
  });
});

describe("the Huffman code", () => {
  it("has the codes of RFC 7541, appendix B, for characters that headers do not have", () => {
    const rows: readonly (readonly [number, number, number])[] = [
      [0, 0x1ff8, 13],
      [1, 0x7fffd8, 23],
      [2, 0xfffffe2, 28],
      [8, 0xfffffe8, 28],
      [9, 0xffffea, 24],
      [10, 0x3ffffffc, 30],
      [11, 0xfffffe9, 28],
      [12, 0xfffffea, 28],
      [13, 0x3ffffffd, 30],
      [14, 0xfffffeb, 28],
      [21, 0xffffff2, 28],
      [22, 0x3ffffffe, 30],
      [23, 0xffffff3, 28],
      [31, 0xffffffb, 28],
      [127, 0xffffffc, 28],
      [EOS, 0x3fffffff, 30],
    ];
    const codes = new Map(CODES.map(({ symbol, code, bits }) => [symbol, [code, bits]]));
    expect(rows.map(([symbol]) => [symbol, ...(codes.get(symbol) ?? [])])).toEqual(rows);
  });

  it("reads each pair of bytes", () => {
    const decoder = new HpackDecoder();
    for (let first = 0; first < 256; first += 1) {
      const pairs = Buffer.from(Array.from({ length: 256 }, (_, second) => [first, second]).flat());
      expect(decoder.decode(coded(huffman(pairs))).fields[1]).toBe(pairs.toString("latin1"));
    }
  });
});
