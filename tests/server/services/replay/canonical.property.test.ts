import { create, fromBinary, fromJson, type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CreateFlagRequestSchema } from "../../../../gen/helios/v1/flag_service_pb.ts";
import { InvokeModuleRequestSchema } from "../../../../gen/helios/v1/module_service_pb.ts";
import { canonical } from "../../../../src/server/services/replay/canonical.ts";

/** The same value with the entries of its objects in an order that depends on a number. */
function shuffled(value: unknown, seed: number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, seed));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, shuffled(item, seed)] as const);
  const turned = seed % 2 === 0 ? entries.reverse() : entries;
  const at = turned.length === 0 ? 0 : seed % turned.length;
  return Object.fromEntries([...turned.slice(at), ...turned.slice(0, at)]);
}

const key = fc.string({ maxLength: 4 }).filter((text) => text !== "__proto__");
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, 0, -0, 1.5, "x"),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4 }),
  ),
})).value;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("the canonical bytes of a request", () => {
  it("are the same for every order of entries, over JSON and binary, and differ for another value", () => {
    const schema = InvokeModuleRequestSchema;
    fc.assert(
      fc.property(value, fc.nat(), (json, seed) => {
        const request = { name: "m", method: "f", idempotencyKey: "K", json: JSON.parse(JSON.stringify(json)) };
        const one = fromJson(schema, request as JsonObject);
        const other = fromJson(schema, { ...request, json: shuffled(request.json, seed) } as JsonObject);
        const expected = hex(canonical(schema, one));
        expect(hex(canonical(schema, other))).toBe(expected);
        expect(hex(canonical(schema, fromBinary(schema, toBinary(schema, other))))).toBe(expected);
        expect(hex(canonical(schema, fromJson(schema, toJson(schema, other))))).toBe(expected);
        const changed = fromJson(schema, { ...request, json: [request.json] } as JsonObject);
        expect(hex(canonical(schema, changed))).not.toBe(expected);
        // The service receives the request unchanged.
        expect(canonical(schema, one)).toEqual(canonical(schema, fromBinary(schema, canonical(schema, one))));
      }),
      { numRuns: 300 },
    );
  });

  it("are the same for an id in upper and in lower case, and for zero with either sign", () => {
    const schema = CreateFlagRequestSchema;
    const id = "3f2b8c1e-0000-4000-8000-abcdefabcdef";
    const [lower, upper] = [id, id.toUpperCase()].map((requestId) => create(schema, { requestId }));
    if (lower === undefined || upper === undefined) throw new Error("no requests");
    expect(canonical(schema, upper)).toEqual(canonical(schema, lower));
    const zero = (number: number) =>
      create(InvokeModuleRequestSchema, {
        input: { case: "json", value: { kind: { case: "numberValue", value: number } } },
      });
    expect(canonical(InvokeModuleRequestSchema, zero(-0))).toEqual(canonical(InvokeModuleRequestSchema, zero(0)));
    expect(canonical(InvokeModuleRequestSchema, zero(1))).not.toEqual(canonical(InvokeModuleRequestSchema, zero(0)));
  });

  it("include unknown fields", () => {
    const schema = CreateFlagRequestSchema;
    const known = create(schema, { requestId: "a" });
    const withMore = fromBinary(schema, Buffer.concat([toBinary(schema, known), Buffer.from([0xf8, 0x3f, 1])]));
    expect(canonical(schema, withMore)).not.toEqual(canonical(schema, known));
  });
});
