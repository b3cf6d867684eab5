import fc from "fast-check";
import { expect, it } from "vitest";
import type { DirectConnection } from "../../../../src/server/transport/direct/connection.ts";
import { FRAME, FrameWriter } from "../../../../src/server/transport/direct/frames.ts";
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
    takeWindow(bytes: number) {
      if (state.window < bytes) return false;
      state.window -= bytes;
      return true;
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

it("what node:http2 sends passes in order and unchanged, in any pieces, and its data never exceed the window", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(parts, cuts, fc.nat({ max: 600 }), (frames, sizes, window) => {
      const writer = new FrameWriter();
      for (const [index, { isData, bytes }] of frames.entries()) {
        if (isData) writer.data(index + 1, Buffer.alloc(bytes, index), 0, bytes, false);
        else writer.headers(index + 1, Buffer.alloc(bytes, index), false);
      }
      const all = Buffer.concat(writer.take());
      const pieces: Buffer[] = [];
      for (let at = 0, turn = 0; at < all.length; turn += 1) {
        const end = at + (sizes[turn % sizes.length] ?? 1);
        pieces.push(all.subarray(at, end));
        at = end;
      }
      const { outgoing, state, sent } = rig(window);
      let done = 0;
      outgoing.send(pieces, () => {
        done += 1;
      });
      let given = window;
      for (let more = 0; done === 0 && more < 100; more += 1) {
        const data = framesIn(sent()).filter(({ type }) => type === FRAME.DATA);
        expect(data.reduce((sum, { payload }) => sum + payload.length, 0)).toBeLessThanOrEqual(given);
        given += 100;
        state.window += 100;
        outgoing.resume();
      }
      expect(done).toBe(1);
      expect(sent().equals(all)).toBe(true);
    }),
  );
});

it("frames behind data that must wait are not sent before them, and the direct streams go on after them", () => {
  const { outgoing, state, sent } = rig(5);
  const writer = new FrameWriter();
  writer.data(1, Buffer.alloc(10), 0, 10, true);
  writer.headers(3, Buffer.from("x"), true);
  let isDone = false;
  outgoing.send(writer.take(), () => {
    isDone = true;
  });
  expect([sent().length, isDone]).toEqual([0, false]);
  state.window = 10;
  outgoing.resume();
  expect(framesIn(sent()).map(({ stream }) => stream)).toEqual([1, 3]);
  expect([isDone, state.resumed]).toEqual([true, 1]);
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
