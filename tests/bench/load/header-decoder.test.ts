import { describe, expect, it } from "vitest";
import { createHeaderDecoder, type HeaderDecoder } from "../../../bench/load/header-decoder.ts";
import { headerBlocks } from "../../../bench/load/request-headers.ts";

const decoded = (decoder: HeaderDecoder, hex: string): string[] => {
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
  return decoder.decode(bytes, 0, bytes.length).map(([name, value]) => `${name}: ${value}`);
};

describe("a header decoder", () => {
  it("decodes the example of RFC 7541, C.6, whose table evicts entries", () => {
    const decoder = createHeaderDecoder(256);
    const first = "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e";
    expect(decoded(decoder, `${first} 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`)).toEqual([
      ":status: 302",
      "cache-control: private",
      "date: Mon, 21 Oct 2013 20:13:21 GMT",
      "location: https://www.example.com",
    ]);
    expect(decoded(decoder, "4883 640e ffc1 c0bf")).toEqual([
      ":status: 307",
      "cache-control: private",
      "date: Mon, 21 Oct 2013 20:13:21 GMT",
      "location: https://www.example.com",
    ]);
    const third = "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d";
    const cookie =
      "d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07";
    expect(decoded(decoder, `${third} ${cookie}`)).toEqual([
      ":status: 200",
      "cache-control: private",
      "date: Mon, 21 Oct 2013 20:13:22 GMT",
      "location: https://www.example.com",
      "content-encoding: gzip",
      "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ]);
  });

  it("counts the changes of its table, and only them", () => {
    const decoder = createHeaderDecoder();
    decoded(decoder, "88");
    expect(decoder.version).toBe(0);
    decoded(decoder, "4003 666f 6f03 6261 72");
    expect(decoder.version).toBe(1);
    expect(decoded(decoder, "be")).toEqual(["foo: bar"]);
    expect(decoder.version).toBe(1);
  });

  it.each([
    ["a field that does not exist", "be"],
    ["a text that ends too early", "4003 666f"],
    ["a Huffman text that is filled with zeros", "4883 6400 00"],
  ])("refuses %s", (_, hex) => {
    expect(() => decoded(createHeaderDecoder(), hex)).toThrow(/header/);
  });
});

describe("the headers of requests", () => {
  const fields = [
    [":method", "POST"],
    [":path", "/service/Method"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ] as const;

  it.each([4096, 0])("are the same in each request of a connection whose table has %d bytes", (tableBytes) => {
    const { first, next } = headerBlocks(fields, tableBytes);
    const decoder = createHeaderDecoder(tableBytes);
    for (const block of [first, next, next]) expect(decoder.decode(block, 0, block.length)).toEqual(fields);
  });

  it("are short after the first request if the server keeps a table", () => {
    expect(headerBlocks(fields).next).toHaveLength(fields.length);
  });
});
