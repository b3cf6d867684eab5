import fc from "fast-check";
import { expect, it } from "vitest";
import type { DirectConnection } from "../../../../src/server/transport/direct/connection.ts";
import { FLAG, FRAME, FrameWriter } from "../../../../src/server/transport/direct/frames.ts";
import { Outgoing } from "../../../../src/server/transport/direct/outgoing.ts";
import { TableSizeUpdate } from "../../../../src/server/transport/direct/settings.ts";
import { framesIn } from "./rig.ts";

/** A connection with that window, and what was sent on it. */
function rig(window: number, lastServed = 0) {
  const state = { window, resumed: 0 };
  const written: Buffer[] = [];
  const direct = {
    lastServed,
    tableSize: new TableSizeUpdate(),
    window: {
      take(bytes: number) {
        if (state.window < bytes) return false;
        state.window -= bytes;
        return true;
      },
      takeUpTo(bytes: number) {
        const taken = Math.min(bytes, state.window);
        state.window -= taken;
        return taken;
      },
    },
    resume() {
      state.resumed += 1;
    },
    settingsSent() {},
  } as unknown as DirectConnection;
  const outgoing = new Outgoing(direct, (bytes, done) => {
    written.push(Buffer.from(bytes));
    done();
  });
  return { outgoing, state, sent: () => Buffer.concat(written) };
}

const parts = fc.array(fc.record({ isData: fc.boolean(), bytes: fc.integer({ min: 0, max: 300 }) }), {
  minLength: 1,
  maxLength: 15,
});

it("what node:http2 sends arrives in order and complete, in any pieces, and its data never exceed the window", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(parts, cuts, fc.nat({ max: 600 }), (frames, sizes, window) => {
      const writer = new FrameWriter();
      for (const [index, { isData, bytes }] of frames.entries()) {
        if (isData) writer.data(index + 1, Buffer.alloc(bytes, index), 0, bytes, true);
        else writer.headers(index + 1, Buffer.alloc(bytes, index), true);
      }
      const all = Buffer.concat(writer.take());
      const pieces: Buffer[] = [];
      for (let at = 0, turn = 0; at < all.length; turn += 1) {
        const end = at + (sizes[turn % sizes.length] ?? 1);
        pieces.push(Buffer.from(all.subarray(at, end)));
        at = end;
      }
      const { outgoing, state, sent } = rig(window);
      let done = 0;
      outgoing.send(pieces, () => {
        done += 1;
      });
      for (let more = 0; outgoing.isWaiting && more < 100; more += 1) {
        const data = framesIn(sent()).filter(({ type }) => type === FRAME.DATA);
        expect(data.reduce((sum, { payload }) => sum + payload.length, 0) + state.window).toBe(window + 100 * more);
        expect(state.window).toBeGreaterThanOrEqual(0);
        state.window += 100;
        outgoing.resume();
      }
      expect(done).toBe(1);
      // Frames with data may have been divided. Only the last part ends its stream.
      const joined = new Map<string, { payload: Buffer; ends: number }>();
      for (const { type, stream, payload, flags } of framesIn(sent())) {
        const one = joined.get(`${type} ${stream}`) ?? { payload: Buffer.alloc(0), ends: 0 };
        expect(one.ends).toBe(0);
        one.payload = Buffer.concat([one.payload, payload]);
        one.ends += flags & FLAG.END_STREAM;
        joined.set(`${type} ${stream}`, one);
      }
      const expected = frames.map(
        ({ isData, bytes }, index) =>
          [
            `${isData ? FRAME.DATA : FRAME.HEADERS} ${index + 1}`,
            { payload: Buffer.alloc(bytes, index), ends: 1 },
          ] as const,
      );
      expect([...joined]).toEqual(expected);
    }),
  );
});

it("frames behind data that must wait are not sent before them, but those that let the client go on are", () => {
  const { outgoing, state, sent } = rig(0);
  const writer = new FrameWriter();
  writer.data(1, Buffer.alloc(10), 0, 10, true);
  writer.headers(3, Buffer.from("x"), true);
  writer.window(5, 1000);
  writer.pong(Buffer.alloc(8));
  writer.goAway(3, 0);
  let isDone = false;
  outgoing.send(writer.take(), () => {
    isDone = true;
  });
  expect(framesIn(sent()).map(({ type }) => type)).toEqual([FRAME.WINDOW_UPDATE, FRAME.PING, FRAME.GOAWAY]);
  expect([isDone, outgoing.isWaiting, outgoing.isHolding]).toEqual([true, true, false]);
  state.window = 10;
  outgoing.resume();
  const streams = framesIn(sent()).map(({ stream }) => stream);
  expect(streams.slice(3)).toEqual([1, 3]);
  expect([outgoing.isWaiting, state.resumed]).toEqual([false, 1]);
});

it("node:http2 must wait when much waits, and hears of it once when there is room again", () => {
  const { outgoing, state } = rig(0);
  const writer = new FrameWriter();
  for (let id = 1; id <= 9; id += 2) writer.data(id, Buffer.alloc(16_000), 0, 16_000, true);
  let done = 0;
  outgoing.send(writer.take(), () => {
    done += 1;
  });
  expect([done, outgoing.isHolding]).toEqual([0, true]);
  state.window = 16_000;
  outgoing.resume();
  expect([done, outgoing.isHolding, outgoing.isWaiting]).toEqual([1, false, true]);
  state.window = 100_000;
  outgoing.resume();
  expect([done, outgoing.isWaiting]).toEqual([1, false]);
});

it("the data of a stream that the client has reset are not sent, but its blocks of headers are", () => {
  const { outgoing, state, sent } = rig(0);
  const writer = new FrameWriter();
  writer.data(1, Buffer.alloc(10), 0, 10, false);
  writer.headers(1, Buffer.from("x"), true);
  writer.data(3, Buffer.alloc(10), 0, 10, true);
  outgoing.send(writer.take(), () => {});
  state.window = 10;
  outgoing.forget(1);
  expect(framesIn(sent()).map(({ type, stream }) => [type, stream])).toEqual([
    [FRAME.HEADERS, 1],
    [FRAME.DATA, 3],
  ]);
});

it("what waits is given up when the connection is abandoned", () => {
  const { outgoing, sent } = rig(0);
  const writer = new FrameWriter();
  for (let id = 1; id <= 9; id += 2) writer.data(id, Buffer.alloc(16_000), 0, 16_000, true);
  let done = 0;
  outgoing.send(writer.take(), () => {
    done += 1;
  });
  outgoing.abandon();
  expect([done, outgoing.isWaiting, sent().length]).toEqual([1, false, 0]);
});

it.each([
  [9, 3, 9],
  [3, 9, 9],
])("a goodbye that node:http2 sends includes the direct streams: %i and %i become %i", (direct, own, expected) => {
  const { outgoing, sent } = rig(0, direct);
  const writer = new FrameWriter();
  writer.goAway(own, 0);
  outgoing.send(writer.take(), () => {});
  expect(framesIn(sent())[0]?.payload.readUInt32BE(0)).toBe(expected);
});
