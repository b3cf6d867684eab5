import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFrameReader, toFrame } from "../../../src/core/modules/host/bootstrap/frames.ts";

describe("frames", () => {
  it("arrive whole and in order, wherever the stream is cut", () => {
    const messages = fc.array(fc.oneof(fc.jsonValue(), fc.uint8Array({ maxLength: 50 })), { maxLength: 5 });
    fc.assert(
      fc.property(messages, fc.array(fc.nat(400)), (sent, cuts) => {
        const stream = Buffer.concat(sent.map(toFrame));
        const got: unknown[] = [];
        const read = createFrameReader(
          (value) => got.push(value),
          () => expect.unreachable(),
        );
        const places = [0, ...cuts.filter((cut) => cut < stream.length).sort((a, b) => a - b), stream.length];
        for (const [index, place] of places.entries()) read(stream.subarray(place, places[index + 1] ?? stream.length));
        expect(got).toEqual(sent);
      }),
    );
  });

  it.each([
    ["bytes that are no message", [0, 0, 0, 2, 1, 2]],
    ["a message of no bytes", [0, 0, 0, 0]],
    ["a length beyond all bounds", [255, 255, 255, 255]],
  ])("end at %s, told once", (_, bytes) => {
    const got: unknown[] = [];
    let broken = 0;
    const read = createFrameReader(
      (value) => got.push(value),
      () => {
        broken += 1;
      },
    );
    read(Buffer.concat([toFrame("before"), Buffer.from(bytes), toFrame("after")]));
    read(toFrame("later"));
    expect([got, broken]).toEqual([["before"], 1]);
  });
});
