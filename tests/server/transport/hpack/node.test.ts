import { once } from "node:events";
import { type ClientHttp2Session, type OutgoingHttpHeaders, sensitiveHeaders } from "node:http2";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HpackDecoder } from "../../../../src/server/transport/hpack/decoder.ts";
import { encodeBlock } from "../../../../src/server/transport/hpack/encoder.ts";
import { times } from "../../../effort.ts";
import { createEncoder, type Field } from "./encoder.ts";
import { createRawPeer } from "./raw-peer.ts";

/** The characters that a value may have, except for the tab. */
const CHARACTERS = String.fromCharCode(
  ...Array.from({ length: 256 }, (_, code) => code).filter((code) => code >= 0x20 && code !== 0x7f),
);
const visible = fc.constantFrom(...CHARACTERS.replaceAll(" ", ""));
const inner = fc.constantFrom(...CHARACTERS, "\t");
/** A value without spaces at its ends, because HTTP/2 forbids those. */
const value = fc.oneof(
  fc.constantFrom("", "gzip, deflate", "application/grpc", "trailers"),
  fc
    .tuple(visible, fc.array(inner, { maxLength: 60 }), visible)
    .map(([first, rest, last]) => first + rest.join("") + last),
  fc.tuple(visible, fc.nat({ max: 3000 })).map(([one, length]) => one.repeat(length)),
);
const NAMES = ["accept", "accept-encoding", "via", "grpc-accept-encoding", "x-a", "x-b", "x-c-long-name-of-a-field"];
const fields = fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), fc.array(value, { minLength: 1, maxLength: 3 })), {
  selector: ([name]) => name,
  maxLength: 7,
});

interface Call {
  readonly path: string;
  readonly request: readonly (readonly [name: string, values: readonly string[]])[];
  readonly sensitive: readonly string[];
  readonly response: readonly Field[];
}
const call: fc.Arbitrary<Call> = fc.record({
  path: fc.constantFrom("/", "/helios.v1.FlagService/EvaluateFlag", "/a?b=c"),
  request: fields,
  sensitive: fc.subarray(NAMES),
  response: fields.map((all) => all.flatMap(([name, values]) => values.map((one): Field => [name, one]))),
});
const HEAD = (path: string): readonly Field[] => [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", path],
  [":authority", "127.0.0.1:8000"],
];

/** Sends a request, and returns the fields of the response as the client has read them. */
async function exchange(client: ClientHttp2Session, { path, request, sensitive }: Call): Promise<readonly string[]> {
  const headers: OutgoingHttpHeaders = Object.fromEntries([
    ...HEAD(path),
    ...request.map(([name, all]) => [name, [...all]]),
  ]);
  headers[sensitiveHeaders as unknown as string] = [...sensitive];
  const stream = client.request(headers);
  stream.end();
  stream.resume();
  const [, , raw] = await once(stream, "response");
  return raw as readonly string[];
}

describe("Node's own HTTP/2", () => {
  it("sends fields that the decoder reads, and reads the fields of encoded blocks", async () => {
    const tables = fc.array(fc.option(fc.constantFrom(0, 64, 200, 4096, 65_536), { freq: 3 }), {
      minLength: 8,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 8 }), tables, async (calls, sizes) => {
        const decoder = new HpackDecoder();
        const seen: (readonly string[])[] = [];
        let next: readonly string[] = [];
        const { client, announceTable } = createRawPeer((block) => {
          seen.push(decoder.decode(block).fields);
          return encodeBlock(next);
        });
        for (const [index, one] of calls.entries()) {
          const size = sizes[index] ?? undefined;
          if (size !== undefined) await announceTable(size);
          next = [":status", "200", ...one.response.flat()];
          expect(await exchange(client, one)).toEqual(next);
          const sent = one.request.flatMap(([name, values]) => values.flatMap((text) => [name, text]));
          expect(seen.at(-1)).toEqual([...HEAD(one.path).flat(), ...sent]);
        }
        client.destroy();
      }),
      { numRuns: times(25, 400) },
    );
  });

  it("uses its dynamic table in these tests, so that the decoder's table is tested", async () => {
    const lengths: number[] = [];
    const { client } = createRawPeer((block) => {
      lengths.push(block.length);
      return encodeBlock([":status", "200"]);
    });
    const one: Call = { path: "/", request: [["x-a", ["some value"]]], sensitive: [], response: [] };
    for (let count = 0; count < 2; count += 1) await exchange(client, one);
    client.destroy();
    expect(lengths[1]).toBe(5);
    expect(lengths[0]).toBeGreaterThan(20);
  });

  it("reads each character by the same Huffman code", async () => {
    const choice = { form: "without indexing", nameByIndex: true, huffman: true, pick: 0 } as const;
    const expected: Field[] = [
      [":status", "200"],
      ["x-a", `a${CHARACTERS}\tb`],
    ];
    const block = createEncoder(0).encode({ sizes: [], fields: expected.map((field) => ({ field, choice })) });
    const { client } = createRawPeer(() => block);
    const read = await exchange(client, { path: "/", request: [], sensitive: [], response: [] });
    client.destroy();
    expect(read).toEqual(expected.flat());
  });
});
