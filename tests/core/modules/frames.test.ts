import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFrameReader, toFrame } from "../../../src/core/modules/host/bootstrap/frames.ts";

describe("frames", () => {
  it("arrive whole and in order, wherever the stream is cut", () => {
    const bytes = fc.uint8Array({ maxLength: 50 }).map((binary) => ({ binary }));
    const payload = fc.oneof(
      // JSON text has no -0.
      fc.jsonValue().map((json) => ({ json: JSON.parse(JSON.stringify(json)) as unknown })),
      bytes,
    );
    const id = fc.maxSafeNat();
    const message = fc.oneof(
      fc.jsonValue(),
      fc.uint8Array({ maxLength: 50 }),
      fc.record({ type: fc.constant("output"), id, output: payload }),
      fc.record({ type: fc.constant("call"), id, method: fc.string(), input: payload }),
    );
    const messages = fc.array(message, { maxLength: 5 });
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
    ["bytes that are no message", [0, 0, 0, 2, 0, 2]],
    ["an output that is cut off", [0, 0, 0, 3, 2, 1, 2]],
    ["an output that is no JSON", [0, 0, 0, 12, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 123]],
    ["a method longer than the message", [0, 0, 0, 11, 1, 0, 0, 0, 0, 0, 0, 0, 0, 200, 0]],
    ["a kind that is none", [0, 0, 0, 1, 9]],
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
