import { describe, expect, it } from "vitest";
import { HpackDecoder, HpackError } from "../../../../src/server/transport/hpack/decoder.ts";

interface Step {
  readonly hex: string;
  readonly fields: readonly string[];
  /** The dynamic table after the block, the newest entry first. */
  readonly table: readonly string[];
}

const block = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");
const split = (lines: readonly string[]): readonly string[] =>
  lines.flatMap((line) => {
    const colon = line.indexOf(": ", 1);
    return [line.slice(0, colon), line.slice(colon + 2)];
  });

/** Reads the dynamic table after the blocks, by indices from 62 until one is refused. */
function tableAfter(blocks: readonly Buffer[], tableBytes: number): readonly string[] {
  const decoder = new HpackDecoder(tableBytes);
  for (const one of blocks) decoder.decode(one);
  const table: string[] = [];
  for (let index = 62; ; index += 1) {
    try {
      table.push(...decoder.decode(Buffer.of(0x80 | index)).fields);
    } catch (error) {
      expect(error).toBeInstanceOf(HpackError);
      return table;
    }
  }
}

const CUSTOM = "custom-key: custom-value";
const GET = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
const GET_INDEX = [":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", CUSTOM];
const REQUEST_TABLES = [
  [":authority: www.example.com"],
  ["cache-control: no-cache", ":authority: www.example.com"],
  [CUSTOM, "cache-control: no-cache", ":authority: www.example.com"],
];
const REQUESTS = [GET, [...GET, "cache-control: no-cache"], GET_INDEX];

const DATE_21 = "date: Mon, 21 Oct 2013 20:13:21 GMT";
const DATE_22 = "date: Mon, 21 Oct 2013 20:13:22 GMT";
const LOCATION = "location: https://www.example.com";
const PRIVATE = "cache-control: private";
const COOKIE = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const RESPONSE_TABLES = [
  [LOCATION, DATE_21, PRIVATE, ":status: 302"],
  [":status: 307", LOCATION, DATE_21, PRIVATE],
  [COOKIE, "content-encoding: gzip", DATE_22],
];
const RESPONSES = [
  [":status: 302", PRIVATE, DATE_21, LOCATION],
  [":status: 307", PRIVATE, DATE_21, LOCATION],
  [":status: 200", PRIVATE, DATE_22, LOCATION, "content-encoding: gzip", COOKIE],
];

const steps = (
  hex: readonly string[],
  fields: readonly (readonly string[])[],
  tables: readonly (readonly string[])[],
): readonly Step[] => hex.map((one, index) => ({ hex: one, fields: fields[index] ?? [], table: tables[index] ?? [] }));

const CUSTOM_HEADER = "custom-key: custom-header";
const EXAMPLES: readonly (readonly [string, number, readonly Step[]])[] = [
  [
    "C.2.1: a literal with indexing",
    4096,
    steps(["400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"], [[CUSTOM_HEADER]], [[CUSTOM_HEADER]]),
  ],
  [
    "C.2.2: a literal without indexing",
    4096,
    steps(["040c 2f73 616d 706c 652f 7061 7468"], [[":path: /sample/path"]], [[]]),
  ],
  [
    "C.2.3: a literal that is never indexed",
    4096,
    steps(["1008 7061 7373 776f 7264 0673 6563 7265 74"], [["password: secret"]], [[]]),
  ],
  ["C.2.4: an indexed field", 4096, steps(["82"], [[":method: GET"]], [[]])],
  [
    "C.3: requests without Huffman codes",
    4096,
    steps(
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
      REQUESTS,
      REQUEST_TABLES,
    ),
  ],
  [
    "C.4: requests with Huffman codes",
    4096,
    steps(
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
      REQUESTS,
      REQUEST_TABLES,
    ),
  ],
  [
    "C.5: responses without Huffman codes, with evictions from a table of 256 bytes",
    256,
    steps(
      [
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
         3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`.replaceAll("\n", ""),
        "4803 3330 37c1 c0bf",
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
         7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
         6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`.replaceAll("\n", ""),
      ],
      RESPONSES,
      RESPONSE_TABLES,
    ),
  ],
  [
    "C.6: responses with Huffman codes, with evictions from a table of 256 bytes",
    256,
    steps(
      [
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
         1718 63c7 8f0b 97c8 e9ae 82ae 43d3`.replaceAll("\n", ""),
        "4883 640e ffc1 c0bf",
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
         e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50
         07`.replaceAll("\n", ""),
      ],
      RESPONSES,
      RESPONSE_TABLES,
    ),
  ],
];

describe("the examples of RFC 7541, appendix C", () => {
  it.each(EXAMPLES)("%s", (_, tableBytes, steps) => {
    const decoder = new HpackDecoder(tableBytes);
    for (const [index, { hex, fields, table }] of steps.entries()) {
      expect(decoder.decode(block(hex)).fields).toEqual(split(fields));
      const blocks = steps.slice(0, index + 1).map((step) => block(step.hex));
      expect(tableAfter(blocks, tableBytes)).toEqual(split(table));
    }
  });
});
