import { gzipSync } from "node:zlib";
import type { DescMethod } from "@bufbuild/protobuf";
import { MAX_MESSAGE_BYTES } from "../../src/server/transport/limits.ts";
import { message, NOTHING } from "./abuse/frames.ts";
import type { Sent } from "./raw.ts";
import { bodyOf, isEnveloped, sentAs, type Way } from "./ways.ts";

/** A request that is unusual or wrong in one way. */
export interface Unusual {
  readonly what: string;
  /** Returns the request. Undefined if it makes no sense for that method over that protocol. */
  of(way: Way, rpc: DescMethod): Sent | undefined;
}

const NO_JSON = ["[]", "null", "", " ", "{", "1", "\ufeff{}", '{"name":"x","name":"y"}', '{"name":"\\ud800"}'];
const WRONG_JSON = ['{"nope":1}', '{"name":1}', '{"name":"no spaces"}', '{"name":"unknown"}'];
const TIMEOUTS = ["0", "0n", "0S", "00000000H", "1", "soon", "-1", "12345678901", "1 S", "123456789S", "0x1S"];
const LONG_TIMEOUTS = ["99999999H", "9999999999", "2592000S"];
const TYPES = [
  ...[
    "application/grpc+json",
    "application/grpc+proto",
    "application/grpc+foo",
    "application/grpc; x=y",
    "Application/grpc",
  ],
  ...[
    "application/json; charset=utf-8",
    "application/json; charset=latin1",
    "APPLICATION/JSON",
    "application/proto; x=y",
  ],
  ...["application/grpc-web", "application/xml", "text/plain", ""],
];

/** Sends such a message, with a prefix where the protocol has one. */
const content = (what: string, bytes: Buffer, format?: Way["format"]): Unusual => ({
  what,
  of: (way, rpc) =>
    format === undefined || format === way.format
      ? sentAs(way, rpc, isEnveloped(way, rpc) ? message(bytes) : bytes)
      : undefined,
});

/** Sends such a body by gRPC. `staysOpen`: the request does not end. */
const inGrpc = (what: string, body: Buffer, staysOpen = false): Unusual => ({
  what,
  of: (way, rpc) => (way.protocol === "grpc" ? sentAs(way, rpc, body, { staysOpen }) : undefined),
});

/** Sends a message without fields with such headers. */
const headers = (what: string, of: (way: Way) => Sent["headers"]): Unusual => ({
  what,
  of: (way, rpc) => sentAs(way, rpc, bodyOf(way, rpc, {}), { headers: of(way) }),
});

const coding = ({ protocol }: Way): string => (protocol === "grpc" ? "grpc-encoding" : "content-encoding");
const timeout = (value: string): Unusual =>
  headers(`the timeout "${value}"`, ({ protocol }) => ({
    [protocol === "grpc" ? "grpc-timeout" : "connect-timeout-ms"]: value,
  }));

/** Compressed by a name of a compression. */
const packed = (what: string, bytes: Buffer): Unusual => ({
  what,
  of: (way, rpc) => {
    const body = isEnveloped(way, rpc) ? message(bytes, 1) : bytes;
    return sentAs(way, rpc, body, { headers: { [coding(way)]: "gzip" } });
  },
});

/** Large requests take long, so not every method gets them. */
const few = ({ what, of }: Unusual): Unusual => ({
  what,
  of: (way, rpc) => (rpc.name === "GetFlag" || rpc.name === "WatchFlags" ? of(way, rpc) : undefined),
});

export const UNUSUAL: readonly Unusual[] = [
  headers("no fields", () => ({})),
  { what: "no body", of: (way, rpc) => sentAs(way, rpc, NOTHING) },
  content("a length beyond the end", Buffer.from([0x0a, 0xff, 0xff, 0xff])),
  content("groups that do not end", Buffer.alloc(500, 0x7b)),
  content("a text that is not UTF-8", Buffer.from("7b22c328223a317d", "hex")),
  content("an unknown field", Buffer.from("d2a90703616263", "hex"), "proto"),
  ...[...NO_JSON, ...WRONG_JSON].map((text) => content(`the JSON ${text}`, Buffer.from(text), "json")),
  ...[...TIMEOUTS, ...LONG_TIMEOUTS].map(timeout),
  ...TYPES.map((type) => headers(`the content type "${type}"`, () => ({ "content-type": type }))),
  headers("metadata", () => ({ "x-a": "1", "x-b-bin": "AAEC", "x-c-bin": "not base64 !", "x-d": ["1", "2"] })),
  headers("an unknown compression", (way) => ({ [coding(way)]: "zip" })),
  headers("the compression identity", (way) => ({ [coding(way)]: "identity" })),
  headers("version 1 of the protocol", () => ({ "connect-protocol-version": "1" })),
  headers("version 2 of the protocol", () => ({ "connect-protocol-version": "2" })),
  headers("a client that can unpack answers", () => ({ "accept-encoding": "gzip", "grpc-accept-encoding": "gzip" })),
  packed("a packed message that cannot be unpacked", Buffer.from("not gzip")),
  inGrpc("a packed message without the name of a compression", message(NOTHING, 1)),
  ...[2, 3, 4, 128, 255].map((flags) => inGrpc(`a message with the flags ${flags}`, message(NOTHING, flags))),
  inGrpc("nothing but unknown flags", Buffer.of(2)),
  inGrpc("two messages", Buffer.concat([message(NOTHING), message(NOTHING)])),
  inGrpc("a prefix without its message", message(NOTHING, 0, 1)),
  inGrpc("half of a prefix", Buffer.of(0, 0, 0)),
  inGrpc("a message that is shorter than its prefix says", message(Buffer.alloc(3), 0, 10)),
  inGrpc("a message of 4 GiB, of which little comes", message(Buffer.alloc(3), 0, 2 ** 32 - 1), true),
  inGrpc("a message of one byte too much, of which little comes", message(NOTHING, 0, MAX_MESSAGE_BYTES + 1), true),
  {
    what: "a body that is announced to be too large",
    of(way, rpc) {
      if (isEnveloped(way, rpc)) return undefined;
      return sentAs(way, rpc, NOTHING, {
        staysOpen: true,
        headers: { "content-length": String(MAX_MESSAGE_BYTES + 1) },
      });
    },
  },
  few(content("a message that is too large", Buffer.alloc(MAX_MESSAGE_BYTES + 1))),
  few(packed("a packed message that is too large", gzipSync(Buffer.alloc(MAX_MESSAGE_BYTES + 1)))),
];
