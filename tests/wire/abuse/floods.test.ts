import { constants } from "node:http2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CONTROL_FRAMES_BURST } from "../../../src/server/transport/limits.ts";
import { soakUnless } from "../../support/soak.ts";
import { until } from "../../support/until.ts";
import {
  CONTINUATION,
  DATA,
  END_STREAM,
  frame,
  HEADERS,
  message,
  NOTHING,
  PADDED,
  PING,
  RST_STREAM,
  SETTINGS,
  setting,
  uint32,
  WINDOW_UPDATE,
} from "./frames.ts";
import { type Abused, grpc, LIST, request, startAbused, WATCH } from "./rig.ts";
import { complete } from "./violations.ts";

const INITIAL_WINDOW_SIZE = 4;
/** The fields of a stream by gRPC-Web, which goes through Connect. */
const web = grpc(WATCH, [], "application/grpc-web");
/** More than a connection may have at once, while the permitted number grows. */
const FLOOD = 2 * CONTROL_FRAMES_BURST;

let abused: Abused;
beforeAll(async () => {
  abused = await startAbused();
});
afterAll(() => abused.close());

/** The numbers of so many streams of a client. */
const streams = (count: number): number[] => Array.from({ length: count }, (_, index) => 2 * index + 1);
const cancel = (stream: number): Buffer => frame(RST_STREAM, 0, stream, uint32(constants.NGHTTP2_CANCEL));
const repeat = (one: Buffer, count = FLOOD): Buffer[] => Array<Buffer>(count).fill(one);

describe("a flood of frames", () => {
  const FLOODS: readonly (readonly [string, readonly Buffer[]])[] = [
    ["empty CONTINUATION", [frame(HEADERS, 0, 1), ...repeat(frame(CONTINUATION, 0, 1))]],
    ["CONTINUATION of one byte", [frame(HEADERS, 0, 1), ...repeat(frame(CONTINUATION, 0, 1, Buffer.of(0x20)))]],
    ["PING", repeat(frame(PING, 0, 0, Buffer.alloc(8)))],
    ["SETTINGS", repeat(frame(SETTINGS, 0, 0))],
    ["empty DATA", [request(1, grpc(WATCH)), ...repeat(frame(DATA, 0, 1))]],
    ["DATA of padding", [request(1, grpc(WATCH)), ...repeat(frame(DATA, PADDED, 1, Buffer.of(1, 0)))]],
    ["DATA of padding through Connect", [request(1, web), ...repeat(frame(DATA, PADDED, 1, Buffer.of(0)))]],
    ["an unknown type", repeat(frame(0x42, 0, 0))],
  ];

  for (const [what, frames] of FLOODS)
    it(`ends its connection alone: ${what}`, async () => {
      const peer = await abused.peer();
      await peer.heard();
      peer.write(...frames);
      await peer.until(() => peer.isClosed);
      expect(peer.isClosed).toBe(true);
      // Node itself ends a connection with many unsent acknowledgements. Not every GOAWAY arrives before the end.
      const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_INTERNAL_ERROR } = constants;
      expect([NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_INTERNAL_ERROR, undefined]).toContain(peer.goaway);
      await abused.recovers();
    });
});

for (const calls of [1000, 10_000])
  describe(`${calls} calls of one connection`, soakUnless(calls === 1000), () => {
    it("that are cancelled at once leave nothing behind, and the connection continues", async () => {
      const peer = await abused.peer();
      peer.write(...streams(calls).flatMap((stream) => [request(stream, grpc(WATCH)), cancel(stream)]));
      await peer.heard();
      const next = 2 * calls + 1;
      peer.write(...complete(next));
      expect((await peer.settled(next)).trailers["grpc-status"]).toBe("0");
      await abused.recovers();
    });

    it("that are cancelled in the middle of a message leave nothing behind", async () => {
      const peer = await abused.peer();
      const half = (stream: number): Buffer => frame(DATA, 0, stream, message(NOTHING, 0, 100));
      peer.write(...streams(calls).flatMap((stream) => [request(stream), half(stream), cancel(stream)]));
      await peer.heard();
      expect(peer.goaway).toBeUndefined();
      await abused.recovers();
    });

    it("whose answers nobody reads leave nothing behind when the connection is cut", async () => {
      const peer = await abused.peer(undefined, false);
      peer.write(...streams(calls).flatMap((stream) => complete(stream)));
      await abused.recovers();
    });
  });

describe("a client that never reads, and resets its connection while answers are written,", () => {
  const wide = setting(INITIAL_WINDOW_SIZE, 2 ** 30);
  for (const [what, fields] of [
    ["gRPC", grpc(LIST)],
    ["gRPC-Web", grpc(LIST, [], "application/grpc-web")],
    ["streams", grpc(WATCH)],
  ] as const)
    it(`leaves nothing behind: ${what}`, async () => {
      const peer = await abused.peer(wide, false);
      peer.write(frame(WINDOW_UPDATE, 0, 0, uint32(2 ** 30)));
      let last = -1;
      await until(() => {
        for (let call = 0; call < 300; call += 1, last += 2) peer.write(...complete(last + 2, fields));
        return abused.usage().answers > 0;
      });
      peer.reset();
      await abused.recovers();
    });
});

describe("a client that takes nothing", () => {
  const closed = setting(INITIAL_WINDOW_SIZE, 0);

  it("leaves nothing behind when it leaves", async () => {
    const peer = await abused.peer(closed);
    peer.write(...streams(8).flatMap((stream) => complete(stream)));
    await peer.until(() => streams(8).every((stream) => peer.answer(stream).headers[":status"] === "200"));
    expect(streams(8).map((stream) => peer.answer(stream).data.length)).toEqual(Array(8).fill(0));
    await abused.recovers();
  });

  it("gets its whole answer if it takes one byte at a time", async () => {
    const usual = await abused.peer();
    usual.write(...complete(1));
    const { data } = await usual.settled(1);
    const peer = await abused.peer(closed);
    peer.write(...complete(1));
    const answer = peer.answer(1);
    for (let taken = 1; !answer.isEnded && !peer.isClosed; taken += 1) {
      peer.write(frame(WINDOW_UPDATE, 0, 1, uint32(1)));
      await peer.until(() => answer.data.length >= taken || answer.isEnded);
    }
    expect(answer.data.equals(data)).toBe(true);
    expect(answer.trailers["grpc-status"]).toBe("0");
    await abused.recovers();
  });
});

describe("a client that takes less than it has allowed", () => {
  it("gets nothing more until it has allowed that again, and then the rest", async () => {
    const usual = await abused.peer();
    usual.write(...complete(1));
    const { data } = await usual.settled(1);
    const half = data.length >> 1;
    const peer = await abused.peer(setting(INITIAL_WINDOW_SIZE, half));
    const answer = peer.answer(1);
    peer.write(...complete(1));
    await peer.until(() => answer.data.length === half);
    // From now on, the window of the stream is negative.
    peer.write(frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 0)));
    peer.write(frame(WINDOW_UPDATE, 0, 1, uint32(half - 1)));
    await peer.heard();
    peer.write(frame(WINDOW_UPDATE, 0, 1, uint32(1)));
    await peer.heard();
    expect([answer.data.length, peer.isClosed]).toEqual([half, false]);
    peer.write(frame(WINDOW_UPDATE, 0, 1, uint32(1)));
    await peer.until(() => answer.data.length > half);
    expect(answer.data.length).toBe(half + 1);
    peer.write(frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, data.length)));
    expect((await peer.settled(1)).data.equals(data)).toBe(true);
    await abused.recovers();
  });
});

describe("a client that leaves", () => {
  const LEFT: readonly (readonly [string, readonly Buffer[]])[] = [
    ["after its preface", []],
    ["in the middle of a frame", [frame(HEADERS, 0, 1, NOTHING, 100)]],
    ["in the middle of its headers", [request(1, grpc(LIST), 0)]],
    ["after the headers of a call", [request(1)]],
    ["in the middle of a message", [request(1), frame(DATA, 0, 1, message(NOTHING, 0, 100))]],
    ["after a message that is not the end", [request(1), frame(DATA, 0, 1, message(NOTHING))]],
    ["after a call", complete(1)],
    ["in the middle of a stream", [request(1, grpc(WATCH)), frame(DATA, END_STREAM, 1, message(NOTHING))]],
  ];

  for (const [when, frames] of LEFT)
    for (const way of ["end", "destroy"] as const)
      it(`${way === "end" ? "in order" : "at once"} ${when} leaves nothing behind`, async () => {
        const peer = await abused.peer();
        await peer.heard();
        peer.write(...frames);
        peer[way]();
        await peer.until(() => peer.isClosed);
        await abused.recovers();
      });
});
