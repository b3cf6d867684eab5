import { serialize } from "node:v8";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cloneOf, refuseOther, valueOfClone } from "../../../../../src/core/modules/host/wire/clone.ts";
import { times } from "../../../../effort.ts";
import { WIDE } from "../../messages.ts";

const isRefused = (bytes: Uint8Array): boolean => {
  try {
    refuseOther(bytes);
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return true;
  }
};

/** Values that JSON text keeps as they are. */
const json = fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);

/** Whether an object in it has a name of digits only. */
function hasIndex(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const isIndexed = !Array.isArray(value) && Object.keys(value).some((key) => /^\d+$/.test(key));
  return isIndexed || Object.values(value).some(hasIndex);
}

/** The number of values in a value, with all its parts. */
function partsOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce<number>((sum, part) => sum + partsOf(part), 1);
}

describe("a value with wide objects", () => {
  it("is cloned exactly if its clone is the same as its JSON", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: "binary" }), json), { maxLength: 5 }), (members) => {
        const value: unknown = { ...WIDE, ...Object.fromEntries(members) };
        const bytes = cloneOf(value, false);
        expect(bytes === undefined).toBe(hasIndex(value));
        if (bytes !== undefined) expect(valueOfClone(bytes)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: times(300, 3000) },
    );
  });

  const twice = { a: 1 };
  it.each<[string, object]>([
    ["an index as a name", { 1000: 1 }],
    ["an index as a name further inside", { a: [{ "4294967294": 1 }] }],
    ["-0", { a: -0 }],
    ["half a character in a name", { "\ud83d": 1 }],
    ["one object in two places", { a: twice, b: twice }],
    ["a date", { a: new Date(0) }],
    ["undefined", { a: undefined }],
    ["a toJSON", { toJSON: () => 1 }],
    ["an instance of a class", { a: new (class Point {})() }],
    ["a list with a hole", { a: new Array(3) }],
    ["a number that JSON does not have", { a: Number.NaN }],
  ])("is not cloned with %s", (_, members) => {
    expect(cloneOf(WIDE, false)).toBeInstanceOf(Uint8Array);
    expect(cloneOf({ ...WIDE, ...members }, false)).toBeUndefined();
  });

  it("is not cloned if text is faster or shorter", () => {
    const withMembers = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`m${at}`, at]));
    expect([127, 128, 1000, 1001].map((count) => cloneOf(withMembers(count), true) !== undefined)).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(cloneOf({ ...WIDE, text: "x".repeat(600_000) }, true)).toBeUndefined();
  });
});

describe("bytes that a module sends as a clone", () => {
  const sparse: unknown[] = [];
  sparse.length = 4_294_967_295;
  it.each<[string, unknown]>([
    ["an endless list", sparse],
    ["a list with holes", Object.assign(new Array(3), { 0: 1 })],
    ["a list with a member", Object.assign([1], { a: 1 })],
    ["a map", new Map([[1, 2]])],
    ["a set", new Set([1])],
    ["bytes", new Uint8Array(3)],
    ["a date", new Date(0)],
    ["a regular expression", /a/],
    ["an error", new Error("x")],
    ["a bigint", 1n],
    ["undefined", undefined],
    ["a boxed number", Object(1)],
    ["NaN", Number.NaN],
    ["-0", -0],
    ["an index as a name", { 5: 1 }],
    ["one object in two places", ((one) => [one, one])({})],
  ])("are refused as %s", (_, value) => {
    expect(isRefused(serialize(value))).toBe(true);
  });

  it("are refused if a name is a text of digits, which V8 takes for an index", () => {
    const bytes = serialize({ aaaa: 1 });
    const at = bytes.indexOf("aaaa");
    bytes.write("1000", at);
    expect(isRefused(bytes)).toBe(true);
  });

  it("are refused, or make no more values than they have bytes, whatever they are", () => {
    const change = fc.tuple(fc.nat(), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(json, fc.array(change, { minLength: 1, maxLength: 4 }), (value, changes) => {
        const bytes = new Uint8Array(serialize(value));
        for (const [at, byte] of changes) bytes[2 + (at % (bytes.length - 2))] = byte;
        if (isRefused(bytes)) return;
        const made = valueOfClone(bytes);
        expect(partsOf(made)).toBeLessThanOrEqual(bytes.length);
        expect(JSON.parse(JSON.stringify(made))).toEqual(made);
      }),
      { numRuns: times(2000, 50_000) },
    );
  });

  it("are refused at any cut", () => {
    fc.assert(
      fc.property(json, fc.nat(), (value, cut) => {
        const bytes = serialize(value);
        expect(isRefused(bytes.subarray(0, cut % bytes.length))).toBe(true);
      }),
      { numRuns: times(300, 3000) },
    );
  });
});
