import { gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MAX_MESSAGE_BYTES } from "../../../src/server/transport/limits.ts";
import { DATA, END_STREAM, type Field, frame, message, NOTHING } from "./frames.ts";
import type { Answer, Peer } from "./peer.ts";
import { type Abused, grpc, LIST, request, startAbused, WATCH } from "./rig.ts";

let abused: Abused;
beforeAll(async () => {
  abused = await startAbused();
});
afterAll(() => abused.close());

const REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const GZIP: readonly Field[] = [["grpc-encoding", "gzip"]];
const packed = gzipSync(NOTHING);

/** The status of an answer by gRPC, or by gRPC-Web, whose trailers are in its last message. */
function statusOf({ headers, trailers, data }: Answer): number {
  const inBody = /grpc-status: ?(\d+)/.exec(data.toString("latin1"));
  return Number(trailers["grpc-status"] ?? headers["grpc-status"] ?? inBody?.[1] ?? Number.NaN);
}

interface Given {
  readonly path?: string;
  readonly more?: readonly Field[];
  readonly body: Buffer;
  /** Whether the request stays open. The server must answer without its end. */
  readonly staysOpen?: boolean;
}

async function ask(peer: Peer, stream: number, type: string, { path = LIST, more = [], body, staysOpen }: Given) {
  peer.write(request(stream, grpc(path, more, type)));
  for (let at = 0; at < body.length; at += 16_384) peer.write(frame(DATA, 0, stream, body.subarray(at, at + 16_384)));
  if (staysOpen !== true) peer.write(frame(DATA, END_STREAM, stream));
  return statusOf(await peer.settled(stream));
}

const REFUSED: readonly (readonly [what: string, code: Code, given: Given])[] = [
  ["no message", Code.Unimplemented, { body: NOTHING }],
  ["no message, to a stream", Code.Unimplemented, { path: WATCH, body: NOTHING }],
  ["two messages", Code.Unimplemented, { body: Buffer.concat([message(NOTHING), message(NOTHING)]) }],
  [
    "two messages, to a stream",
    Code.Unimplemented,
    { path: WATCH, body: Buffer.concat([message(NOTHING), message(NOTHING)]) },
  ],
  ["half of a prefix", Code.InvalidArgument, { body: Buffer.of(0, 0, 0) }],
  ["half of a prefix, to a stream of requests", Code.InvalidArgument, { path: REFLECT, body: Buffer.of(0, 0, 0) }],
  ["a message that is shorter than its prefix says", Code.InvalidArgument, { body: message(Buffer.alloc(3), 0, 10) }],
  [
    "such a message, to a stream of requests",
    Code.InvalidArgument,
    { path: REFLECT, body: message(Buffer.alloc(3), 0, 10) },
  ],
  [
    "a message of 4 GiB, of which nothing comes",
    Code.ResourceExhausted,
    { body: message(NOTHING, 0, 2 ** 32 - 1), staysOpen: true },
  ],
  [
    "such a message, to a stream of requests",
    Code.ResourceExhausted,
    { path: REFLECT, body: message(NOTHING, 0, 2 ** 32 - 1), staysOpen: true },
  ],
  [
    "a message above the limit",
    Code.ResourceExhausted,
    { body: message(Buffer.alloc(1000), 0, MAX_MESSAGE_BYTES + 1), staysOpen: true },
  ],
  [
    "a message that is above the limit when it is unpacked",
    Code.ResourceExhausted,
    { more: GZIP, body: message(gzipSync(Buffer.alloc(MAX_MESSAGE_BYTES + 1)), 1) },
  ],
  [
    "a message that cannot be unpacked",
    Code.InvalidArgument,
    { more: GZIP, body: message(Buffer.from("not gzip"), 1) },
  ],
  ["a packed message without the name of a compression", Code.Internal, { body: message(packed, 1) }],
  [
    "a packed message that is named identity",
    Code.Internal,
    { more: [["grpc-encoding", "identity"]], body: message(packed, 1) },
  ],
  ["unknown flags", Code.Internal, { body: message(NOTHING, 2) }],
  ["unknown flags, although a compression is named", Code.Internal, { more: GZIP, body: message(packed, 3) }],
  ["unknown flags, to a stream", Code.Internal, { path: WATCH, body: message(NOTHING, 128) }],
  ["unknown flags, to a stream of requests", Code.Internal, { path: REFLECT, body: message(NOTHING, 255) }],
  ["an unknown compression", Code.Unimplemented, { more: [["grpc-encoding", "zip"]], body: message(packed, 1) }],
  ["a message that is not protobuf", Code.InvalidArgument, { body: message(Buffer.from([0x0a, 0xff, 0xff, 0xff])) }],
  ["groups in groups that do not end", Code.InvalidArgument, { body: message(Buffer.alloc(50_000, 0x7b)) }],
  ...["soon", "1", "S", "-1S", "1s", "1 S", "123456789S", "0x1S"].map(
    (timeout) =>
      [
        `the deadline "${timeout}"`,
        Code.InvalidArgument,
        { more: [["grpc-timeout", timeout]], body: message(NOTHING) },
      ] as const,
  ),
  ...["0n", "0S", "00000000H"].flatMap((timeout) =>
    [LIST, WATCH].map(
      (path) =>
        [
          `the deadline "${timeout}", ${path}`,
          Code.DeadlineExceeded,
          { path, more: [["grpc-timeout", timeout]], body: message(NOTHING) },
        ] as const,
    ),
  ),
  ...["1n", "1u", "1m"].map(
    (timeout) =>
      [
        `the deadline "${timeout}" of a stream`,
        Code.DeadlineExceeded,
        { path: WATCH, more: [["grpc-timeout", timeout]], body: message(NOTHING) },
      ] as const,
  ),
];

describe.each(["application/grpc", "application/grpc-web+proto"])("a wrong request of %s", (type) => {
  for (const [what, code, given] of REFUSED)
    it(`gets ${Code[code]}, and its connection continues: ${what}`, async () => {
      const peer = await abused.peer();
      expect(await ask(peer, 1, type, given)).toBe(code);
      expect(await ask(peer, 3, type, { body: message(NOTHING) })).toBe(0);
      await abused.recovers();
    });
});
