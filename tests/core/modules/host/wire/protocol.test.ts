import { describe, expect, it } from "vitest";
import { fromInstance } from "../../../../../src/core/modules/host/wire/protocol.ts";

describe("an answer", () => {
  const answer = (output: unknown): unknown => fromInstance({ type: "output", id: 1, output });

  it.each<[string, object]>([
    ["a JSON value", { json: null }],
    ["bytes", { binary: new Uint8Array(2) }],
    ["bytes and a JSON value", { json: 0, binary: new Uint8Array(2) }],
  ])("an answer of %s is part of the protocol", (_, output) => {
    expect(answer(output)).toEqual({ type: "output", id: 1, output });
  });

  it.each<[string, unknown]>([
    ["nothing", {}],
    ["a value that is not an object", 1],
    ["a text in place of bytes", { json: 0, binary: "x" }],
    ["a length in place of bytes", { json: 0, binary: { length: 2e8 } }],
    ["a number in place of bytes", { json: 0, binary: 5e8 }],
    ["no value in place of bytes", { json: 0, binary: undefined }],
  ])("an answer of %s is not part of the protocol", (_, output) => {
    expect(answer(output)).toBeUndefined();
  });
});
