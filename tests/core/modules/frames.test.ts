import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFrameReader, createFrameWriter, toFrame } from "../../../src/core/modules/host/bootstrap/frames.ts";
import { messages } from "./messages.ts";
import { turn } from "./rig.ts";

describe("frames", () => {
  it("arrive whole and in order, wherever the stream is cut", () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(20_000)), (sent, cuts) => {
        const stream = Buffer.concat(sent.map(toFrame));
        const got: unknown[] = [];
        const read = createFrameReader(
          (values) => got.push(...values),
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
    ["an output that is no JSON", [0, 0, 0, 20, 2, ...new Array(18).fill(0), 123]],
    ["a method longer than the message", [0, 0, 0, 19, 1, ...new Array(16).fill(0), 200, 0]],
    ["a kind that is none", [0, 0, 0, 1, 9]],
    ["a message of no bytes", [0, 0, 0, 0]],
    ["a length beyond all bounds", [255, 255, 255, 255]],
  ])("end at %s, told once", (_, bytes) => {
    const got: unknown[] = [];
    let broken = 0;
    const read = createFrameReader(
      (values) => got.push(...values),
      () => {
        broken += 1;
      },
    );
    read(Buffer.concat([toFrame("before"), Buffer.from(bytes), toFrame("after")]));
    read(toFrame("later"));
    expect([got, broken]).toEqual([["before"], 1]);
  });
});

describe("a frame writer", () => {
  it("has the frames of one turn go out together, in order, and those of the next one after them", async () => {
    const log: string[] = [];
    const write = createFrameWriter({
      cork: () => void log.push("cork"),
      uncork: () => void log.push("uncork"),
      write: (frame) => log.push(frame.toString()),
    });
    for (const text of ["a", "b"]) write(Buffer.from(text));
    await turn();
    write(Buffer.from("c"));
    await turn();
    expect(log).toEqual(["cork", "a", "b", "uncork", "cork", "c", "uncork"]);
  });
});
