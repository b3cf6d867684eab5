import { describe, expect, it } from "vitest";
import { checkContext } from "../../../../src/core/flags/rules/context.ts";
import { reason } from "../harness.ts";

const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

describe("an evaluation context", () => {
  it.each([
    ["NaN", { a: Number.NaN }, "context.attributes.a"],
    ["infinity in a list", { a: [1, { b: [2, Number.POSITIVE_INFINITY] }] }, "context.attributes.a[1].b[1]"],
    ["minus infinity", { a: { "b c": Number.NEGATIVE_INFINITY } }, 'context.attributes.a["b c"]'],
    ["a number that a double cannot hold", { a: 2 ** 53 }, "context.attributes.a"],
    ["endless lists", { a: deep(200) }, "context.attributes"],
    ["attributes that are a list", [1], "context.attributes"],
    ["attributes that are a text", "a", "context.attributes"],
    ["attributes that are null", null, "context.attributes"],
  ])("a context with %s is refused with the place", (_what, attributes, field) => {
    const attempt = (): void => checkContext({ attributes: attributes as Record<string, unknown> });
    expect(attempt).toThrow(reason("ARGUMENT_INVALID", { field }));
  });

  it("a context that contains itself is refused", () => {
    const attributes: Record<string, unknown> = { a: 1 };
    attributes.self = attributes;
    expect(() => checkContext({ attributes })).toThrow(reason("ARGUMENT_INVALID", { field: "context.attributes" }));
  });

  it.each(["sessionId", "userId", "symbol", "system"])("a context whose %s is not text is refused", (field) => {
    expect(() => checkContext({ [field]: 7 })).toThrow(reason("ARGUMENT_INVALID"));
  });

  it("may contain JSON, bytes, 64-bit integers and undefined values", () => {
    const attributes = { a: [1, null, { b: "x" }], c: undefined, d: 7n, e: new Uint8Array([1]), f: deep(90) };
    checkContext({ sessionId: "s", attributes });
    checkContext({});
  });
});
