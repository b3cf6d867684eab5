import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFrameReader, frame, settingsFrame, windowUpdate } from "../../../bench/load/frame.ts";

const frames = fc.array(
  fc.record({
    type: fc.nat(9),
    flags: fc.nat(255),
    streamId: fc.nat(2 ** 31 - 1),
    payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => [...bytes]),
  }),
);

describe("a frame reader", () => {
  it("passes on every frame, wherever the bytes are cut, even if their buffer is used again", () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, cuts) => {
        const bytes = Buffer.concat(
          sent.map(({ type, flags, streamId, payload }) => frame(type, flags, streamId, Buffer.from(payload))),
        );
        const read: unknown[] = [];
        const take = createFrameReader((type, flags, streamId, from, start, end) =>
          read.push({ type, flags, streamId, payload: [...from.subarray(start, end)] }),
        );
        const buffer = Buffer.alloc(30);
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const length = bytes.copy(buffer, 0, at, at + (cuts[turn % cuts.length] ?? 1));
          take(buffer.subarray(0, length));
          buffer.fill(0xff);
          at += length;
        }
        expect(read).toEqual(sent);
      }),
    );
  });
});

describe("frames", () => {
  it("have the bytes of RFC 9113", () => {
    expect(settingsFrame([[4, 65_536]]).toString("hex")).toBe("000006040000000000000400010000");
    expect(windowUpdate(3, 1).toString("hex")).toBe("00000408000000000300000001");
  });
});
