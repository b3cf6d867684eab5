import fc from "fast-check";
import { expect, it } from "vitest";
import { FLAG, FRAME, FrameWriter, MAX_FRAME_BYTES } from "../../../../src/server/transport/direct/frames.ts";
import { framesIn } from "./rig.ts";

it("frames are written one after the other, whatever their sizes, and taken exactly once", () => {
  const one = fc.record({
    stream: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    bytes: fc.integer({ min: 0, max: MAX_FRAME_BYTES }),
    isLast: fc.boolean(),
    isTaken: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 20 }), (parts) => {
      const writer = new FrameWriter();
      const taken: Buffer[] = [];
      for (const [index, { stream, bytes, isLast, isTaken }] of parts.entries()) {
        writer.data(stream, Buffer.alloc(bytes, index), 0, bytes, isLast);
        if (isTaken) taken.push(...writer.take().map((chunk) => Buffer.from(chunk)));
      }
      taken.push(...writer.take());
      expect(writer.bytes).toBe(0);
      const frames = framesIn(Buffer.concat(taken));
      expect(frames.map(({ stream, payload, flags, type }) => [type, stream, payload.length, flags])).toEqual(
        parts.map(({ stream, bytes, isLast }) => [FRAME.DATA, stream, bytes, isLast ? FLAG.END_STREAM : 0]),
      );
      for (const [index, { payload }] of frames.entries()) expect(payload.every((byte) => byte === index)).toBe(true);
    }),
  );
});

it.each([0, 1, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, 3 * MAX_FRAME_BYTES, 100_000])(
  "a header block of %i bytes is divided into frames, of which the first ends the stream and the last the headers",
  (bytes) => {
    const writer = new FrameWriter();
    const block = Buffer.from(Array.from({ length: bytes }, (_, index) => index % 251));
    writer.headers(5, block, true);
    const frames = framesIn(Buffer.concat(writer.take()));
    expect(Buffer.concat(frames.map(({ payload }) => payload)).equals(block)).toBe(true);
    expect(frames.map(({ type }) => type)).toEqual(
      frames.map((_, index) => (index === 0 ? FRAME.HEADERS : FRAME.CONTINUATION)),
    );
    expect(frames.map(({ flags }) => flags)).toEqual(
      frames.map(
        (_, index) => (index === 0 ? FLAG.END_STREAM : 0) | (index === frames.length - 1 ? FLAG.END_HEADERS : 0),
      ),
    );
    expect(frames.every(({ payload, stream }) => payload.length <= MAX_FRAME_BYTES && stream === 5)).toBe(true);
  },
);
