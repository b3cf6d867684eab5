import { serialize } from "node:v8";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createFrameReader,
  createFrameWriter,
  type FrameReading,
  moduleFrames,
  packetFrame,
  serviceFrames,
  toFrame,
} from "../../../../../src/core/modules/host/wire/frames.ts";
import { OUTPUT, type Packet, STATE } from "../../../../../src/core/modules/host/wire/packets.ts";
import type { FromInstance, ToInstance } from "../../../../../src/core/modules/host/wire/protocol.ts";
import { turn } from "../../../../support/turns.ts";
import { AWAITED, fromInstance, toInstance } from "../../messages.ts";

/** The messages that were read from chunks, and the error. */
function reader(reading: FrameReading): { read: (chunk: Buffer) => void; got: unknown[]; wrong: string[] } {
  const got: unknown[] = [];
  const wrong: string[] = [];
  const read = createFrameReader(
    reading,
    (messages) => got.push(...messages),
    (why) => wrong.push(why),
  );
  return { read, got, wrong };
}

describe("frames", () => {
  it.each<[string, FrameReading, fc.Arbitrary<(ToInstance | FromInstance)[]>]>([
    ["an instance", moduleFrames(AWAITED), fromInstance],
    ["the service", serviceFrames, toInstance],
  ])("frames of %s arrive whole and in order, however the stream is divided", (_, reading, messages) => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat(20_000)), (sent, cuts) => {
        const stream = Buffer.concat(sent.map(toFrame));
        const { read, got, wrong } = reader(reading);
        const places = [0, ...cuts.filter((cut) => cut < stream.length).sort((a, b) => a - b), stream.length];
        for (const [index, place] of places.entries()) read(stream.subarray(place, places[index + 1] ?? stream.length));
        expect([got, wrong]).toEqual([sent, []]);
      }),
    );
  });

  const late: FromInstance = { type: "late", id: 1 };
  const before: FromInstance = { type: "dropped", id: 7 };
  const fixed = (form: number, lengths = [0, 0, 0, 0]): number[] => [...new Array(16).fill(0), ...lengths, form];
  const body = (kind: number, ...rest: number[]): number[] => [0, 0, 0, rest.length + 1, kind, ...rest];

  it.each([
    ["a truncated output", body(2, 1, 2), "cut off"],
    ["an output that is not JSON", body(2, ...fixed(0), 123), "JSON"],
    ["an output of an unknown form", body(2, ...fixed(9), 123), "unknown form"],
    ["an output with two forms", body(2, ...fixed(1)), ""],
    ["a method longer than the message", body(4, ...fixed(0, [0, 200, 0, 0])), "unknown kind|cut off"],
    ["a clone of a date", body(2, ...fixed(2), ...serialize(new Date(0))), "not the clone of a JSON value"],
    ["a clone that is cut off", body(2, ...fixed(2), ...serialize([1, "x"]).subarray(0, -3)), "not the clone"],
    ["an unknown kind", body(9, ...fixed(0)), "unknown kind"],
    ["a message that only the service sends", body(1, ...fixed(0), 49), "unknown kind"],
    ["a message of an earlier protocol", body(0, 255, 15, 1, 2, 3), "unknown kind"],
    ["the head of a call, which only the service sends", [12, 128, 0, 0, 1], "unknown kind"],
    ["the head of an unknown kind", [12, 128, 0, 0, 99], "unknown kind"],
    ["an empty message", [0, 0, 0, 0, 2], "0 bytes"],
    ["a length beyond all limits", [255, 255, 255, 255, 2], "4294967295 bytes"],
    ["an answer that is too long for a caller", [0, 65, 0, 0, 2], "4259840 bytes"],
    ["a state that was not requested", [0, 2, 0, 0, 5], "131072 bytes"],
    ["a log entry longer than the limit", [0, 2, 0, 0, 8], "131072 bytes"],
    ["any other long message", [0, 32, 0, 0, 7], "2097152 bytes"],
  ])("frames of a module end at %s, which is reported once", (_, bytes, problem) => {
    const { read, got, wrong } = reader(moduleFrames({ isAwaited: () => true, isStateAwaited: () => false }));
    read(Buffer.concat([toFrame(before), Buffer.from(bytes)]));
    if (problem === "") return expect(wrong).toEqual([]);
    read(toFrame(before));
    read(toFrame(before));
    expect(got).toEqual([before]);
    expect(wrong).toEqual([expect.stringMatching(problem)]);
  });

  it("frames of a module that answer no request are not read", () => {
    const { read, got } = reader(moduleFrames({ isAwaited: (id) => id === 2, isStateAwaited: () => false }));
    const packet: Packet = [OUTPUT, 1, 0, "", "", 0, "{ this is no JSON"];
    read(Buffer.concat([packetFrame(packet), toFrame({ type: "output", id: 2, output: { json: 1 } })]));
    expect(got).toEqual([late, { type: "output", id: 2, output: { json: 1 } }]);
  });

  it("frames of a state are accepted while one is awaited, whatever their size", () => {
    const { read, got, wrong } = reader(moduleFrames(AWAITED));
    const state = new Uint8Array(6 * 1024 * 1024).fill(7);
    read(packetFrame([STATE, 3, 0, "", "", 1, state]));
    expect(wrong).toEqual([]);
    expect((got as { state: Uint8Array }[])[0]?.state.length).toBe(state.length);
  });

  it.each([
    ["a state", STATE, 0],
    ["a state as a clone of JSON", STATE, 2],
    ["a log entry", 8, 1],
    ["another message", 7, 1],
  ])("frames of %s in the wrong format are not read", (_, kind, form) => {
    const { read, got, wrong } = reader(moduleFrames(AWAITED));
    read(packetFrame([kind, 3, 0, "", "", form, "{ this is no JSON"]));
    expect([got, wrong]).toEqual([[], [`a message of kind ${kind} must not have content of form ${form}`]]);
  });

  it("frames with deep nesting do not reach JSON.parse", () => {
    const { read, wrong } = reader(moduleFrames(AWAITED));
    const deep = "[".repeat(1_000_000);
    read(packetFrame([OUTPUT, 3, 0, "", "", 0, `${deep}${"]".repeat(1_000_000)}`]));
    expect(wrong).toEqual(["it is nested deeper than 256 levels"]);
    const clone = reader(moduleFrames(AWAITED));
    clone.read(packetFrame([OUTPUT, 3, 0, "", "", 2, serialize(JSON.parse(`${"[".repeat(300)}${"]".repeat(300)}`))]));
    expect(clone.wrong).toEqual(["it is nested deeper than 256 levels"]);
    const flat = reader(moduleFrames(AWAITED));
    const brackets = JSON.stringify(Array.from({ length: 5000 }, () => "[[[[\\"));
    flat.read(packetFrame([OUTPUT, 3, 0, "", "", 0, brackets]));
    expect([flat.got.length, flat.wrong]).toEqual([1, []]);
  });

  it("are not created if the other side would not accept them", () => {
    const text = "x".repeat(5 * 1024 * 1024);
    expect(() => toFrame({ type: "output", id: 1, output: { json: text } })).toThrow("more than 4210688");
    const call = { type: "call", id: 1, within: 0, dependency: "d", method: "m" } as const;
    expect(() => toFrame({ ...call, input: { json: text } })).toThrow("more than 4210688");
    expect(() => toFrame({ ...call, method: "m".repeat(70_000), input: { json: 1 } })).toThrow(
      "the name has 70000 bytes, more than 65535",
    );
  });
});

describe("a frame writer", () => {
  function pipe() {
    const log: string[] = [];
    const taken: (() => void)[] = [];
    const writer = createFrameWriter({
      cork: () => void log.push("cork"),
      uncork: () => void log.push("uncork"),
      write: (frame, written) => {
        log.push(frame.toString());
        if (written !== undefined) taken.push(written);
      },
    });
    const unsent = (): number[] => [writer.messages, writer.bytes];
    return { log, writer, unsent, take: () => taken.shift()?.() };
  }

  it("sends the frames of one turn together and in order, and later ones when the kernel has accepted these", async () => {
    const { log, writer, take } = pipe();
    for (const text of ["a", "b"]) writer.write(Buffer.from(text));
    await turn();
    writer.write(Buffer.from("c"));
    await turn();
    writer.write(Buffer.from("d"));
    expect(log).toEqual(["cork", "a", "b", "uncork"]);
    take();
    expect(log.slice(4)).toEqual(["cork", "c", "d", "uncork"]);
    take();
    await turn();
    expect(log).toHaveLength(8);
  });

  it("knows how many bytes the kernel has not accepted", async () => {
    const { writer, unsent, take } = pipe();
    writer.write(Buffer.from("abc"));
    writer.write(Buffer.from("de"));
    await turn();
    writer.write(Buffer.from("f"));
    expect(unsent()).toEqual([3, 6]);
    take();
    expect(unsent()).toEqual([1, 1]);
    take();
    expect(unsent()).toEqual([0, 0]);
  });
});
