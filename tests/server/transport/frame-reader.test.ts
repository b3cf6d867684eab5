import fc from "fast-check";
import { expect, it } from "vitest";
import { FRAME } from "../../../src/server/transport/direct/frames.ts";
import { type Course, FrameReader, type Verdict } from "../../../src/server/transport/frame-reader.ts";
import { frame, PREFACE } from "../../wire/abuse/frames.ts";

/** Frames that take every course and get every verdict: streams 1 and 0 are read here, and stream 3 elsewhere. */
const anyFrame = fc.oneof(
  fc.tuple(fc.constantFrom(0, 1), fc.constantFrom(1, 3), fc.nat(40)).map(([flags, stream, size]) =>
    // Padding of 2 bytes on one half of them.
    size % 2 === 0
      ? frame(FRAME.DATA, flags, stream, Buffer.alloc(size, stream))
      : frame(FRAME.DATA, flags | 8, stream, Buffer.concat([Buffer.from([2]), Buffer.alloc(size + 2, stream)])),
  ),
  fc.constantFrom(1, 3).map((stream) => frame(FRAME.HEADERS, 4, stream, Buffer.from([0x82]))),
  fc
    .constantFrom(1, 3)
    .map((stream) =>
      Buffer.concat([
        frame(FRAME.HEADERS, 1, stream, Buffer.from([0x82])),
        frame(FRAME.CONTINUATION, 0, stream, Buffer.from([0x86])),
        frame(FRAME.CONTINUATION, 4, stream, Buffer.from([0x84])),
      ]),
    ),
  fc.constantFrom(1, 3).map((stream) => frame(FRAME.RST_STREAM, 0, stream, Buffer.alloc(4))),
  fc.nat(255).map((byte) => frame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.from([0, 0, 0, byte]))),
  fc.constant(frame(FRAME.PING, 0, 0, Buffer.alloc(8))),
);

function read(parts: readonly Buffer[]) {
  const events: string[] = [];
  const bodies = new Map<number, Buffer[]>();
  const out: Buffer[] = [];
  const elsewhere = (stream: number, block: Buffer): Buffer | undefined => (stream === 3 ? block : undefined);
  const reader = new FrameReader({
    mayGoOn: () => true,
    courseOf(type, _flags, stream): Course {
      events.push(`course of ${type} on ${stream}`);
      if (type === FRAME.HEADERS || type === FRAME.CONTINUATION) return "headers";
      if (type === FRAME.PING || stream === 3) return "pass";
      return type === FRAME.DATA ? "body" : "whole";
    },
    take(type, stream, bytes, start, end): Verdict {
      events.push(`${type} on ${stream}: ${bytes.toString("hex", start, end)}`);
      if (type !== FRAME.WINDOW_UPDATE) return "taken";
      return (bytes[end - 1] ?? 0) % 2 === 0 ? "pass" : Buffer.from("instead");
    },
    onlyPadding: () => events.push("only padding") > 0,
    bodyBegins: (stream, length) => void events.push(`${length} bytes on ${stream}`),
    body(stream, bytes, isLast) {
      bodies.set(stream, [...(bodies.get(stream) ?? []), Buffer.from(bytes)]);
      if (isLast) events.push(`end of ${stream}`);
    },
    headers(stream, block, isLast) {
      events.push(`headers ${stream} ${block.toString("hex")} ${isLast}`);
      return elsewhere(stream, block);
    },
    dividedHeaders(stream, block, isLast, beyond) {
      events.push(`divided headers ${stream} ${block.toString("hex")} ${isLast} ${beyond}`);
      return elsewhere(stream, block);
    },
    interrupted: () => void events.push("interrupted"),
  });
  for (const part of parts) reader.read(part, out);
  const body = Buffer.concat(bodies.get(1) ?? []).toString("hex");
  return { events, body, out: Buffer.concat(out).toString("hex"), held: reader.held, isAmidFrame: reader.isAmidFrame };
}

it("frames are read the same, and decided about once, however their bytes are divided", () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { minLength: 1, maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 }),
      (frames, sizes) => {
        const all = Buffer.concat([PREFACE, ...frames]);
        const parts: Buffer[] = [];
        for (let at = 0; at < all.length; at += parts.at(-1)?.length ?? 0) {
          parts.push(all.subarray(at, at + (sizes[parts.length % sizes.length] ?? 1)));
        }
        const whole = read([all]);
        expect(read(parts)).toEqual(whole);
        expect([whole.held, whole.isAmidFrame]).toEqual([0, false]);
        const courses = whole.events.filter((event) => event.startsWith("course")).length;
        // A header block of several frames is three of them.
        const divided = whole.events.filter((event) => event.startsWith("divided")).length;
        expect(courses).toBe(frames.length + 2 * divided);
      },
    ),
    { numRuns: 200 },
  );
});
