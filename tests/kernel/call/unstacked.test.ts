import { afterEach, describe, expect, it } from "vitest";
import { unstacked } from "../../../src/kernel/call/unstacked.ts";

const limit = Object.getOwnPropertyDescriptor(Error, "stackTraceLimit");
afterEach(() => {
  Object.defineProperty(Error, "stackTraceLimit", { configurable: true, ...limit });
});

const boom = new Error("boom");

describe("an error that is created without a stack trace", () => {
  it("has its message and no frames, and later errors have frames", () => {
    expect(unstacked(() => new TypeError("no")).stack).toBe("TypeError: no");
    expect(new Error("later").stack).toMatch(/\n {4}at /);
  });

  it("leaves the limit as it was, also if its constructor throws", () => {
    Error.stackTraceLimit = 7;
    expect(() =>
      unstacked((): Error => {
        throw boom;
      }),
    ).toThrow(boom);
    expect(Error.stackTraceLimit).toBe(7);
  });

  it.each([
    ["has no such limit", undefined],
    ["has frozen the limit", { value: 10, writable: false, configurable: true }],
  ])("is created all the same where the platform %s", (_, descriptor) => {
    Reflect.deleteProperty(Error, "stackTraceLimit");
    if (descriptor !== undefined) Object.defineProperty(Error, "stackTraceLimit", descriptor);
    expect(unstacked(() => new Error("no")).message).toBe("no");
    expect(Object.getOwnPropertyDescriptor(Error, "stackTraceLimit")?.value).toBe(descriptor?.value);
  });
});
