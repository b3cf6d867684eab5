import { constants } from "node:http2";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FLAG, FRAME, MAX_FRAME_BYTES } from "../../../../src/server/transport/direct/frames.ts";
import { encodeBlock } from "../../../../src/server/transport/hpack/encoder.ts";
import {
  MAX_CONNECTION_STREAMS,
  MAX_REFUSED_REQUEST_MS,
  MAX_UNSENT_BYTES,
} from "../../../../src/server/transport/limits.ts";
import { turn } from "../../../support/turns.ts";
import { connectionRig, type Frame, HEAD, REQUEST } from "./rig.ts";

const OK = encodeBlock([":status", "200"]);
const TRAILERS = encodeBlock(["grpc-status", "0"]);
const WINDOW = 65_535;
const NOTHING = Buffer.alloc(0);

const bodyOf = (frames: readonly Frame[], id: number): Buffer =>
  Buffer.concat(
    frames.filter(({ type, stream }) => type === FRAME.DATA && stream === id).map(({ payload }) => payload),
  );
const isLast = ({ flags }: Frame): boolean => (flags & FLAG.END_STREAM) !== 0;
const codeOf = ({ payload }: Frame | undefined = { type: 0, flags: 0, stream: 0, payload: Buffer.alloc(4) }): number =>
  payload.readUInt32BE(0);

describe("a stream that is served directly", () => {
  it("gets head, body and trailers in this order, and the last frame ends it", () => {
    const { open, sent, fieldsOf, direct } = connectionRig();
    const { stream, events } = open(1);
    stream.answer(OK, Buffer.from("hello"), TRAILERS);
    const frames = sent();
    expect(frames.map(({ type }) => type)).toEqual([FRAME.HEADERS, FRAME.DATA, FRAME.HEADERS]);
    expect(frames.map(isLast)).toEqual([false, false, true]);
    expect(frames.filter(({ type }) => type === FRAME.HEADERS).map(fieldsOf)).toEqual([
      [":status", "200"],
      ["grpc-status", "0"],
    ]);
    expect(bodyOf(frames, 1).toString()).toBe("hello");
    expect([events, direct.size]).toEqual([["end", "sent"], 0]);
  });

  it("ends with its last body if there are no trailers, and with its head if there is no body either", () => {
    const { open, sent } = connectionRig();
    open(1).stream.answer(OK, Buffer.from("x"), undefined);
    open(3).stream.answer(OK, undefined, undefined);
    expect(sent().map(({ type, stream, flags }) => [type, stream, flags & FLAG.END_STREAM])).toEqual([
      [FRAME.HEADERS, 1, 0],
      [FRAME.DATA, 1, 1],
      [FRAME.HEADERS, 3, 1],
    ]);
  });

  it("never sends more than its window, the connection's window, and a frame's limit, and sends all in the end", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 0, max: 90_000 }), { maxLength: 4 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.tuple(fc.nat({ max: 5 }), fc.integer({ min: 1, max: 60_000 })), { maxLength: 30 }),
        fc.integer({ min: 0, max: 100_000 }),
        (bodies, updates, initial) => {
          const { open, sent, direct } = connectionRig();
          direct.setInitialWindow(initial);
          const windows = new Map([[0, WINDOW]]);
          const received = new Map<number, Buffer[]>();
          const expected = new Map<number, Buffer>();
          const ended = new Set<number>();
          const take = (): void => {
            for (const frame of sent()) {
              const { type, stream, payload } = frame;
              if (type === FRAME.DATA) {
                expect(payload.length).toBeLessThanOrEqual(MAX_FRAME_BYTES);
                for (const id of [0, stream]) {
                  windows.set(id, (windows.get(id) ?? 0) - payload.length);
                  expect(windows.get(id)).toBeGreaterThanOrEqual(0);
                }
                received.get(stream)?.push(payload);
              }
              if (isLast(frame)) ended.add(stream);
            }
          };
          for (const [index, sizes] of bodies.entries()) {
            const id = 2 * index + 1;
            windows.set(id, initial);
            received.set(id, []);
            const { stream } = open(id);
            stream.begin(OK);
            const parts = sizes.map((size, part) => Buffer.alloc(size, part + 1));
            for (const part of parts) stream.write(part);
            stream.end(TRAILERS);
            expected.set(id, Buffer.concat(parts));
          }
          take();
          const widen = (which: number, bytes: number): void => {
            const id = which === 0 ? 0 : 2 * which - 1;
            windows.set(id, (windows.get(id) ?? 0) + bytes);
            if (id === 0) direct.widenConnection(bytes);
            else direct.widen(id, bytes);
            take();
          };
          for (const [which, bytes] of updates) if (which <= bodies.length) widen(which, bytes);
          for (let which = 0; which <= bodies.length; which += 1) widen(which, 4 * 90_000 * 5);
          for (const [id, body] of expected) {
            expect(Buffer.concat(received.get(id) ?? []).equals(body)).toBe(true);
            expect(ended.has(id)).toBe(true);
          }
          expect(direct.size).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("shares the socket with the others, and waits with its body while the socket holds too much", () => {
    const { open, sent, socket } = connectionRig();
    socket.writableLength = MAX_UNSENT_BYTES;
    const { stream, events } = open(1);
    stream.answer(OK, Buffer.from("late"), TRAILERS);
    expect(sent()).toEqual([]);
    expect(events).toEqual(["end", "blocked"]);
    socket.writableLength = 0;
    expect(bodyOf(sent(), 1).toString()).toBe("late");
    expect(events).toEqual(["end", "blocked", "sent"]);
  });

  it("gets all of its turn when the socket takes more at once than a connection may hold", async () => {
    const { open, heard, taken, direct } = connectionRig();
    direct.widenConnection(2 ** 30);
    const ids = Array.from({ length: 40 }, (_, index) => 2 * index + 1);
    const body = Buffer.alloc(50_000);
    for (const id of ids) open(id).stream.answer(OK, body, TRAILERS);
    expect(ids.length * body.length).toBeGreaterThan(MAX_UNSENT_BYTES);
    await turn();
    expect(taken().filter(isLast)).toHaveLength(ids.length);
    expect(heard.map(({ events }) => events)).toEqual(ids.map(() => ["end", "sent"]));
  });

  it("hears once that it is blocked, however often that happens", () => {
    const { open, sent, direct } = connectionRig();
    direct.setInitialWindow(1);
    const { stream, events } = open(1);
    stream.begin(OK);
    stream.write(Buffer.from("abc"));
    expect(bodyOf(sent(), 1).toString()).toBe("a");
    direct.widen(1, 1);
    expect(bodyOf(sent(), 1).toString()).toBe("b");
    expect(events).toEqual(["end", "blocked"]);
    direct.widen(1, 1);
    expect(bodyOf(sent(), 1).toString()).toBe("c");
    expect(events).toEqual(["end", "blocked", "drained"]);
  });

  it("hears that its client has reset it, or that the connection is closed, and nothing after that", () => {
    const { open, direct, sent } = connectionRig();
    const [one, other] = [open(1), open(3)];
    direct.wasReset(1);
    direct.close();
    one.stream.answer(OK, Buffer.from("x"), TRAILERS);
    other.stream.reset(constants.NGHTTP2_CANCEL);
    expect([one.events, other.events, sent()]).toEqual([["end", "closed"], ["end", "closed"], []]);
  });

  it("is reset with the code of its violation, and the connection goes on", () => {
    const { open, sent, direct } = connectionRig();
    const violations: [number, (id: number) => void][] = [
      [constants.NGHTTP2_PROTOCOL_ERROR, (id) => direct.widen(id, 0)],
      [constants.NGHTTP2_FLOW_CONTROL_ERROR, (id) => direct.widen(id, 2 ** 31 - 1)],
      [constants.NGHTTP2_FLOW_CONTROL_ERROR, (id) => direct.received(id, WINDOW + 1)],
      // A second block that does not end the request (RFC 9113, 8.1).
      [constants.NGHTTP2_PROTOCOL_ERROR, (id) => void direct.headers(id, encodeBlock(["x", "y"]), false)],
    ];
    for (const [index, [code, violate]] of violations.entries()) {
      const id = 2 * index + 1;
      const { events } = open(id, false);
      violate(id);
      const frame = sent().find(({ stream }) => stream === id);
      expect([frame?.type, codeOf(frame)]).toEqual([FRAME.RST_STREAM, code]);
      expect(events.at(-1)).toBe("closed");
    }
    const { stream } = open(99);
    stream.answer(OK, undefined, TRAILERS);
    expect(sent()).toHaveLength(2);
  });

  it("is refused if its body has another length than announced", () => {
    for (const [length, parts] of [
      [5, [6]],
      [5, [3, 3]],
      [5, [3]],
    ] as const) {
      const { direct, heard, sent } = connectionRig();
      direct.headers(1, encodeBlock([...HEAD, "content-length", String(length)]), false);
      for (const [index, bytes] of parts.entries()) direct.data(1, Buffer.alloc(bytes), index === parts.length - 1);
      expect(codeOf(sent().at(-1))).toBe(constants.NGHTTP2_PROTOCOL_ERROR);
      expect(heard[0]?.events.at(-1)).toBe("closed");
    }
  });

  it("gives received bytes back to its window and to the connection's, also those that nobody reads any more", () => {
    const { open, sent, direct } = connectionRig();
    const { stream } = open(1, false);
    const part = Buffer.alloc(MAX_FRAME_BYTES);
    const receive = (): void => {
      direct.received(1, part.length);
      direct.data(1, part, false);
    };
    receive();
    expect(sent().map(({ type, stream: id, payload }) => [type, id, payload.readUInt32BE(0)])).toEqual([
      [FRAME.WINDOW_UPDATE, 0, part.length],
      [FRAME.WINDOW_UPDATE, 1, part.length],
    ]);
    stream.answer(OK, undefined, TRAILERS);
    receive();
    expect(sent().filter(({ type }) => type === FRAME.WINDOW_UPDATE)).toHaveLength(2);
  });

  it("gives padding back to its window too", () => {
    const { open, sent, direct } = connectionRig();
    open(1, false);
    direct.received(1, MAX_FRAME_BYTES);
    direct.data(1, Buffer.alloc(100), false);
    expect(sent().map(({ type, stream: id, payload }) => [type, id, payload.readUInt32BE(0)])).toEqual([
      [FRAME.WINDOW_UPDATE, 0, MAX_FRAME_BYTES],
      [FRAME.WINDOW_UPDATE, 1, MAX_FRAME_BYTES],
    ]);
  });

  it("leaves no timer behind when its request ends soon after its answer", () => {
    const timers = new Set<object>();
    const { open, sent, direct } = connectionRig(undefined, (clock) => ({
      ...clock,
      setTimer(ms, run) {
        const timer = clock.setTimer(ms, run);
        timers.add(timer);
        return { cancel: () => void (timers.delete(timer) && timer.cancel()) };
      },
    }));
    open(1, false).stream.answer(OK, undefined, TRAILERS);
    open(3, false).stream.answer(OK, undefined, TRAILERS);
    sent();
    expect(timers.size).toBe(2);
    direct.data(1, NOTHING, true);
    direct.wasReset(3);
    expect(timers.size).toBe(0);
  });

  it("is read to its end after its answer, for a limited time; then its client is asked to stop", () => {
    const { open, sent, direct, clock } = connectionRig();
    open(1, false).stream.answer(OK, undefined, TRAILERS);
    open(3, false).stream.answer(OK, undefined, TRAILERS);
    sent();
    direct.data(1, NOTHING, true);
    expect(direct.size).toBe(1);
    clock.advance(MAX_REFUSED_REQUEST_MS);
    const [frame] = sent();
    expect([frame?.type, frame?.stream, codeOf(frame)]).toEqual([FRAME.RST_STREAM, 3, constants.NGHTTP2_NO_ERROR]);
    expect(direct.size).toBe(0);
  });
});

describe("a connection with streams that are served directly", () => {
  it("leaves a request that is not accepted to node:http2, with a block that needs no other block", () => {
    const { direct } = connectionRig((path) => path === "/a/b");
    const elsewhere = encodeBlock(HEAD.map((text) => (text === "/a/b" ? "/other" : text)));
    expect(direct.headers(1, elsewhere, true)?.equals(Buffer.concat([Buffer.from([0x20]), elsewhere]))).toBe(true);
    // The client adds a field to its table, and refers to it. Node:http2 never sees the first block.
    const indexing = Buffer.concat([REQUEST, Buffer.from([0x40, 1, 120, 1, 121])]);
    expect(direct.headers(3, indexing, true)).toBeUndefined();
    const referring = Buffer.concat([elsewhere, Buffer.from([0xbe])]);
    const expected = Buffer.concat([Buffer.from([0x20]), elsewhere, encodeBlock(["x", "y"])]);
    expect(direct.headers(5, referring, true)?.equals(expected)).toBe(true);
  });

  it("knows which streams have ended here, and which never were here", () => {
    const { direct, open, sent } = connectionRig((path) => path === "/a/b");
    open(1).stream.answer(OK, undefined, TRAILERS);
    sent();
    expect([1, 3].map((id) => direct.isOver(id))).toEqual([true, false]);
    direct.headers(5, encodeBlock(HEAD.map((text) => (text === "/a/b" ? "/other" : text))), true);
    // Node:http2 ignores late frames of older streams itself.
    expect([1, 3, 5, 7].map((id) => direct.isOver(id))).toEqual([false, false, false, false]);
  });

  it("reports to node:http2 only the window that node:http2 has used", () => {
    const { direct, open, sent } = connectionRig();
    expect(direct.window.take(5535)).toBe(true);
    open(1).stream.answer(OK, Buffer.alloc(40_000), TRAILERS);
    sent();
    expect(direct.widenConnection(10_000)).toBe(0);
    expect(direct.widenConnection(35_000)).toBe(5000);
    expect(direct.widenConnection(7)).toBe(7);
  });

  it("notices a window beyond the limit, also while node:http2 has counted frames that wait for it", () => {
    const { direct } = connectionRig();
    expect(direct.widenConnection(2 ** 31 - 65_536)).toBe(2 ** 31 - 65_536);
    expect(direct.widenConnection(1)).toBeUndefined();
    const { direct: other } = connectionRig();
    expect(other.window.take(65_536)).toBe(false);
    expect(other.widenConnection(2 ** 31 - 65_535)).toBeUndefined();
  });

  it("lets node:http2 go first when it waits for the window", () => {
    const { direct, open, sent } = connectionRig();
    open(1).stream.answer(OK, Buffer.alloc(60_000), TRAILERS);
    sent();
    expect(direct.window.take(10_000)).toBe(false);
    open(3).stream.answer(OK, Buffer.alloc(1000), TRAILERS);
    expect(bodyOf(sent(), 3).length).toBe(0);
    direct.widenConnection(4465);
    expect(bodyOf(sent(), 3).length).toBe(0);
    expect(direct.window.take(10_000)).toBe(true);
    direct.resume();
    direct.widenConnection(1000);
    expect(bodyOf(sent(), 3).length).toBe(1000);
  });

  it("refuses streams beyond its limit, which may be tried again", () => {
    const { direct, open, sent, heard } = connectionRig();
    for (let index = 0; index < MAX_CONNECTION_STREAMS; index += 1) open(2 * index + 1, false);
    direct.headers(2 * MAX_CONNECTION_STREAMS + 1, REQUEST, true);
    const [frame] = sent();
    expect([frame?.type, codeOf(frame)]).toEqual([FRAME.RST_STREAM, constants.NGHTTP2_REFUSED_STREAM]);
    expect(heard).toHaveLength(MAX_CONNECTION_STREAMS);
  });

  it("forgets streams that wait for its window when they end, and wakes only those that can use what it gets", () => {
    const { direct, open, sent } = connectionRig();
    open(1).stream.answer(OK, Buffer.alloc(WINDOW), TRAILERS);
    for (const id of [3, 5, 7, 9]) open(id).stream.answer(OK, Buffer.alloc(100), TRAILERS);
    sent();
    for (let count = 0; count < 5; count += 1) {
      direct.widen(9, 1);
      sent();
    }
    expect(direct.blocked).toBe(4);
    direct.wasReset(3);
    expect(direct.blocked).toBe(3);
    direct.widenConnection(1);
    expect(sent().map(({ type, stream, payload }) => [type, stream, payload.length])).toEqual([[FRAME.DATA, 5, 1]]);
    expect(direct.blocked).toBe(3);
    // The window of a stream that was to go on is not lost when the stream ends before that.
    direct.widenConnection(100);
    direct.wasReset(7);
    expect(bodyOf(sent(), 9).length).toBe(100);
    expect(direct.blocked).toBe(1);
  });

  it("is closed if its client makes it reset streams too often", () => {
    const { direct, open, socket, refusals } = connectionRig();
    socket.resets = 2;
    for (const id of [1, 3, 5]) {
      open(id);
      direct.widen(id, 0);
    }
    expect(refusals).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM]);
  });

  it("does not remember long heads, which an idle connection would hold", () => {
    const { direct, heard } = connectionRig();
    const headOf = (id: number, value: string): unknown => {
      direct.headers(id, encodeBlock([...HEAD, "x", value]), true);
      return heard.at(-1)?.stream.head;
    };
    expect(headOf(1, "short")).toBe(headOf(3, "short"));
    const long = "y".repeat(4000);
    expect(headOf(5, long)).not.toBe(headOf(7, long));
  });

  it("is closed if its client resets streams too often", () => {
    const { direct, open, socket, refusals } = connectionRig();
    socket.resets = 2;
    for (const id of [1, 3, 5]) {
      open(id);
      direct.wasReset(id);
    }
    expect(refusals).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM]);
  });

  it("says goodbye with its last stream, refuses further ones, and notifies when the last has ended", async () => {
    const { direct, open, sent } = connectionRig((path) => path === "/a/b");
    const { stream } = open(7);
    let hasLeft = false;
    direct.leave(() => {
      hasLeft = true;
    });
    direct.headers(9, REQUEST, true);
    const [goodbye, refused] = sent();
    expect([goodbye?.type, goodbye?.payload.readUInt32BE(0), codeOf(refused)]).toEqual([
      FRAME.GOAWAY,
      7,
      constants.NGHTTP2_REFUSED_STREAM,
    ]);
    // RFC 9113, 6.8: what was said of the last stream must stay true, also for the streams of node:http2.
    expect(direct.headers(11, encodeBlock(HEAD.map((text) => (text === "/a/b" ? "/other" : text))), true)).toBe(
      undefined,
    );
    expect(codeOf(sent().at(-1))).toBe(constants.NGHTTP2_REFUSED_STREAM);
    expect(direct.lastServed).toBe(7);
    expect(hasLeft).toBe(false);
    stream.answer(OK, undefined, TRAILERS);
    expect(sent()).toHaveLength(2);
    await turn();
    expect(hasLeft).toBe(true);
  });
});
