import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DATA, END_STREAM, frame, message } from "./frames.ts";
import { type Abused, grpc, LIST, request, startAbused } from "./rig.ts";

// A message in pieces of one byte costs its sender ten times as much as the message. It must not cost the server more than that.

let abused: Abused;
beforeAll(async () => {
  abused = await startAbused();
});
afterAll(() => abused.close());

const PIECES = 20_000;

/** The frames of a body, one for each byte. */
function inBytes(stream: number, body: Buffer): Buffer {
  const frames = Array.from(body, (_, at) =>
    frame(DATA, at === body.length - 1 ? END_STREAM : 0, stream, body.subarray(at, at + 1)),
  );
  return Buffer.concat(frames);
}

/** A request whose only field is unknown text of that size, so that it is read whole and then refused. */
const large = message(Buffer.concat([Buffer.from([0xfa, 0x07, ...varint(PIECES)]), Buffer.alloc(PIECES, 0x20)]));

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

describe("a message in pieces of one byte", () => {
  it.each([
    ["gRPC, which is served directly", LIST, "application/grpc"],
    ["gRPC-Web, which goes through Connect", LIST, "application/grpc-web"],
    ["a stream of messages", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "application/grpc"],
  ])("is read like any other: %s", async (_, path, type) => {
    const peer = await abused.peer();
    peer.write(request(1, grpc(path, [], type)), inBytes(1, large));
    const answer = await peer.settled(1);
    expect(answer.reset).toBeUndefined();
    expect(answer.isEnded).toBe(true);
    await abused.recovers();
  });
});
