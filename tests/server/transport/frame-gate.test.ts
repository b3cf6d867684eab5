import { connect as connectHttp2, constants } from "node:http2";
import type { Socket } from "node:net";
import { Duplex, PassThrough } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createManualClock } from "../../../src/core/index.ts";
import { FrameGate } from "../../../src/server/transport/frame-gate.ts";
import { createHeaderBlock, HeaderBlockError } from "../../../src/server/transport/header-block.ts";
import {
  CALLS_PER_TURN,
  CONTROL_FRAMES_BURST,
  CONTROL_FRAMES_PER_SECOND,
  HEADERS_TIMEOUT_MS,
  MAX_CONNECTION_STREAMS,
  MAX_HTTP2_HEADERS_BYTES,
  MAX_SHORT_FIELDS_BYTES,
  MAX_UNFINISHED_HEADERS_BYTES,
} from "../../../src/server/transport/limits.ts";
import type { UnfinishedHeaders } from "../../../src/server/transport/unfinished.ts";
import { turn } from "../../support/turns.ts";
import { frame, PREFACE } from "../../wire/abuse/frames.ts";
import { connectionRig, REQUEST } from "./direct/rig.ts";

function rig(unfinished: UnfinishedHeaders = { bytes: 0 }) {
  const clock = createManualClock();
  const socket = new PassThrough();
  const refusals: number[] = [];
  const gate = new FrameGate({
    socket: socket as unknown as Socket,
    clock,
    unfinished,
    refuse: (code) => refusals.push(code),
  });
  const out: Buffer[] = [];
  gate.on("data", (bytes: Buffer) => out.push(bytes));
  const send = async (...parts: Buffer[]): Promise<void> => {
    for (const part of parts) socket.write(part);
    await turn();
  };
  return { clock, gate, refusals, unfinished, send, received: () => Buffer.concat(out) };
}

/** HPACK's numbers and strings, as clients encode them. */
function number(value: number, mask: number, first: number): Buffer {
  if (value < mask) return Buffer.from([first | value]);
  const bytes = [first | mask];
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}
const text = (length: number): Buffer => Buffer.concat([number(length, 0x7f, 0), Buffer.alloc(length, "x")]);
/** A field with a literal name that is not indexed. */
const literal = (nameBytes: number, valueBytes: number): Buffer =>
  Buffer.concat([Buffer.from([0]), text(nameBytes), text(valueBytes)]);
const indexing = (nameBytes: number, valueBytes: number): Buffer =>
  Buffer.concat([Buffer.from([0x40]), text(nameBytes), text(valueBytes)]);

function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let turnOf = 0; at < bytes.length; turnOf += 1) {
    const end = at + (sizes[turnOf % sizes.length] ?? 1);
    yield bytes.subarray(at, end);
    at = end;
  }
}

/** The bytes of Node's own client for a few calls, with bodies, resets and large headers. */
async function recorded(): Promise<Buffer> {
  const written: Buffer[] = [];
  const wire = new Duplex({
    read() {},
    write(chunk, _, done) {
      written.push(chunk);
      done();
    },
  });
  const session = connectHttp2("http://localhost", { createConnection: () => wire });
  session.on("error", () => {});
  for (let call = 0; call < 5; call += 1) {
    const headers = { ":method": "POST", ":path": "/a/b", "x-call": String(call), "x-large": "v".repeat(call * 8000) };
    const stream = session.request(headers);
    stream.on("error", () => {});
    stream.end(Buffer.alloc(call * 3000));
    await turn();
    await turn();
  }
  session.destroy();
  return Buffer.concat(written);
}

describe("the frames of an HTTP/2 connection", () => {
  it("pass unchanged within the limits, however they are divided", async () => {
    const bytes = await recorded();
    expect(bytes.length).toBeGreaterThan(30_000);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 8 }), async (sizes) => {
        // Single bytes would take long and prove nothing more.
        fc.pre(Math.max(...sizes) > 50);
        const { send, received, refusals } = rig();
        await send(...cut(bytes, sizes));
        for (let again = 0; again < 5; again += 1) await turn();
        expect(received().equals(bytes)).toBe(true);
        expect(refusals).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  it("never exceed the buffer, and never cause an exception, whatever they contain", async () => {
    const junk = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(
          fc.integer({ min: 0, max: 12 }),
          fc.integer({ min: 0, max: 255 }),
          fc.integer({ min: 0, max: 3 }),
          fc.uint8Array({ maxLength: 200 }),
        )
        .map(([type, flags, stream, payload]) => frame(type, flags, stream, Buffer.from(payload))),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(junk, { maxLength: 30 }), async (parts) => {
        const { send, gate, unfinished } = rig();
        gate.on("error", () => {});
        await send(PREFACE, ...parts);
        expect(unfinished.bytes).toBeGreaterThanOrEqual(0);
        expect(unfinished.bytes).toBeLessThan(20_000);
        gate.destroy();
        await turn();
        expect(unfinished.bytes).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ["PING", () => frame(6, 0, 0, Buffer.alloc(8))],
    ["SETTINGS", () => frame(4, 0, 0)],
    ["PRIORITY", () => frame(2, 0, 1, Buffer.alloc(5))],
    ["empty DATA", () => frame(0, 0, 1)],
    ["frames of an unknown type", () => frame(200, 0, 0)],
  ])("frames without a use for a call have an allowance: %s", async (_, make) => {
    const { send, refusals, clock } = rig();
    await send(PREFACE, Buffer.concat(Array.from({ length: CONTROL_FRAMES_BURST }, make)));
    await turn();
    expect(refusals).toEqual([]);
    clock.advance(1000);
    await send(Buffer.concat(Array.from({ length: CONTROL_FRAMES_PER_SECOND }, make)));
    expect(refusals).toEqual([]);
    await send(make());
    expect(refusals).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM]);
  });

  it("changes of the window of all streams have an allowance by the work that they cause, and come back with time", async () => {
    const { direct, clock } = connectionRig();
    const socket = new PassThrough();
    const refusals: number[] = [];
    const refuse = (code: number): void => void refusals.push(code);
    new FrameGate({ socket: socket as unknown as Socket, clock, unfinished: { bytes: 0 }, refuse, direct }).resume();
    let changes = 0;
    const change = direct.setInitialWindow.bind(direct);
    direct.setInitialWindow = (bytes) => {
      changes += 1;
      return change(bytes);
    };
    /** One frame with the settings MAX_CONCURRENT_STREAMS (3) or INITIAL_WINDOW_SIZE (4). */
    const settings = (id: number, value: number): Buffer => {
      const payload = Buffer.alloc(6);
      payload.writeUInt16BE(id);
      payload.writeUInt32BE(value, 2);
      return frame(4, 0, 0, payload);
    };
    socket.write(PREFACE);
    // Other settings count once.
    for (let count = 0; count < 1000; count += 1) socket.write(settings(3, count));
    for (let count = 0; count < 80; count += 1) socket.write(settings(4, count));
    await turn();
    expect([changes, refusals]).toEqual([80, []]);
    clock.advance(1000);
    for (let count = 0; count < CONTROL_FRAMES_BURST; count += 1) socket.write(settings(4, count % 2));
    await turn();
    expect(refusals).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM]);
    expect(changes * MAX_CONNECTION_STREAMS).toBeLessThan(1_100_000);
    // Node:http2 changes its streams, too.
    const elsewhere = rig();
    const hundred = Array.from({ length: 100 }, (_, count) => settings(4, count));
    await elsewhere.send(PREFACE, ...hundred.slice(1));
    expect(elsewhere.refusals).toEqual([]);
    await elsewhere.send(...hundred.slice(0, 1));
    expect(elsewhere.refusals).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM]);
  });

  it("frames of headers count the same if they are divided into tiny parts", async () => {
    const { send, refusals } = rig();
    const crumbs = Array.from({ length: CONTROL_FRAMES_BURST + 1 }, () => frame(9, 0, 1));
    await send(PREFACE, frame(1, 0, 1), Buffer.concat(crumbs));
    expect(refusals).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM]);
  });

  it.each([
    ["endless headers", [frame(1, 0, 1, literal(3, 3)), frame(9, 0, 1, literal(3, 3))]],
    ["half a HEADERS frame", [frame(1, 4, 1, literal(3, 300)).subarray(0, 100)]],
  ])("time out if they are incomplete: %s", async (_, parts) => {
    const { send, refusals, clock, unfinished } = rig();
    await send(PREFACE, frame(4, 0, 0));
    clock.advance(HEADERS_TIMEOUT_MS);
    await send(...parts);
    expect(unfinished.bytes).toBeGreaterThan(0);
    clock.advance(HEADERS_TIMEOUT_MS - 1);
    expect(refusals).toEqual([]);
    clock.advance(1);
    expect(refusals).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM]);
    expect(unfinished.bytes).toBe(0);
  });

  it("calls that are served directly may follow each other for any time, even if every read ends within the next", async () => {
    const { direct, clock, heard } = connectionRig();
    const socket = new PassThrough();
    const refusals: number[] = [];
    const refuse = (code: number): void => void refusals.push(code);
    new FrameGate({ socket: socket as unknown as Socket, clock, unfinished: { bytes: 0 }, refuse, direct }).resume();
    const calls = Buffer.concat(Array.from({ length: 20 }, (_, at) => frame(1, 5, 2 * at + 1, REQUEST)));
    const size = calls.length / 20;
    socket.write(Buffer.concat([PREFACE, calls.subarray(0, size / 2)]));
    for (let at = Math.floor(size / 2); at < calls.length; at += size) {
      socket.write(calls.subarray(at, at + size));
      await turn();
      clock.advance(HEADERS_TIMEOUT_MS / 4);
    }
    expect([heard.length, refusals]).toEqual([20, []]);
  });

  it("frames of incomplete headers share a limit over all connections", async () => {
    const unfinished = { bytes: MAX_UNFINISHED_HEADERS_BYTES - 100_000 };
    const [one, other] = [rig(unfinished), rig(unfinished)];
    await one.send(PREFACE, frame(1, 0, 1, literal(3, 9000)));
    expect(one.refusals).toEqual([]);
    await other.send(PREFACE, frame(1, 0, 1, literal(3, 16_000)));
    for (let part = 0; part < 8; part += 1) await other.send(frame(9, 0, 1, literal(3, 16_000)));
    expect([one.refusals, other.refusals]).toEqual([[], [constants.NGHTTP2_ENHANCE_YOUR_CALM]]);
    one.gate.destroy();
    await turn();
    expect(unfinished.bytes).toBe(MAX_UNFINISHED_HEADERS_BYTES - 100_000);
  });
});

describe("a header block", () => {
  const field = fc.oneof(
    fc.constantFrom(0x82, 0x86, 0x84).map((byte) => Buffer.from([byte])),
    fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 400 })).map(([n, v]) => literal(n, v)),
    fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 400 })).map(([n, v]) => indexing(n, v)),
  );

  it("is unchanged within the limits, and loses only the fields beyond them otherwise", () => {
    fc.assert(
      fc.property(
        fc.array(field, { maxLength: 20 }),
        fc.constantFrom(0, 70_000, 1_000_000),
        fc.integer({ min: 0, max: 20 }),
        fc.array(fc.integer({ min: 1, max: 16_384 }), { minLength: 1, maxLength: 5 }),
        (fields, large, where, sizes) => {
          const all = large === 0 ? fields : fields.toSpliced(where, 0, literal(5, large));
          const block = createHeaderBlock({ size: 4096 });
          let held = 0;
          for (const part of cut(Buffer.concat(all), large === 0 ? sizes : [16_384])) {
            block.add(part);
            held = Math.max(held, block.held);
          }
          expect(held).toBeLessThan(4 * MAX_HTTP2_HEADERS_BYTES);
          const { block: kept, beyond } = block.end();
          expect(kept.equals(Buffer.concat(fields))).toBe(true);
          expect(beyond).toBe(large === 0 ? undefined : 65_535);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("loses the fields after the limit, except for short ones", () => {
    const block = createHeaderBlock({ size: 0 });
    for (let part = 0; part < 40; part += 1) block.add(indexing(5, 8000));
    block.add(literal(12, 16));
    const { block: kept, beyond } = block.end();
    expect(beyond).toBe(MAX_HTTP2_HEADERS_BYTES);
    expect(kept.length).toBeLessThan(MAX_HTTP2_HEADERS_BYTES + MAX_SHORT_FIELDS_BYTES);
    expect(kept.subarray(-31).equals(literal(12, 16))).toBe(true);
  });

  it("ends the connection if it would index a field that has to be dropped", () => {
    const table = { size: 4096 };
    expect(() => createHeaderBlock(table).add(indexing(5, 70_000))).toThrow(HeaderBlockError);
    const block = createHeaderBlock(table);
    block.add(number(0, 0x1f, 0x20));
    block.add(indexing(5, 70_000));
    expect(block.end().beyond).toBe(65_535);
  });

  it("is passed on in order with those of other calls, a limited number in each turn of the event loop", async () => {
    const calls = CALLS_PER_TURN * 5 + 50;
    const all = Buffer.concat(Array.from({ length: calls }, (_, at) => frame(1, 4, 2 * at + 1, literal(3, 3))));
    for (const size of [all.length, 1000, 17]) {
      const { send, received } = rig();
      await send(PREFACE);
      const parts: Buffer[] = [];
      for (let at = 0; at < all.length; at += size) parts.push(all.subarray(at, at + size));
      let before = received().length;
      void send(...parts);
      while (received().length < PREFACE.length + all.length) {
        await turn();
        // The end of one turn and the beginning of the next may lie between two checks.
        expect(received().length - before).toBeLessThanOrEqual((2 * CALLS_PER_TURN * all.length) / calls);
        before = received().length;
      }
      expect(received()).toEqual(Buffer.concat([PREFACE, all]));
    }
  });
});
