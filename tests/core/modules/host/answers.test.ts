import { deserialize } from "node:v8";
import { expect, it } from "vitest";
import type { Instance } from "../../../../src/core/modules/host/types/host.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { call, hostRig } from "../host-rig.ts";

const ERROR = {
  name: "RangeError",
  message: "no quote",
  code: "NO_QUOTE",
  cause: { name: "Error", message: "feed is down" },
  symbol: "BTC",
};

/** The expected answer for each value. */
const CONVERTED: Readonly<Record<string, unknown>> = {
  map: JSON.parse('{"acc-1": {"BTC": 2}, "__proto__": {}}'),
  mapOfNumbers: { 7: "seven" },
  set: ["a", [1]],
  floats: [1.5, 2],
  bytes: [1, 255],
  buffer: [1, 255],
  url: "http://localhost/a",
  thenable: JSON.parse('{"then": 1}'),
  error: ERROR,
  proxy: { a: 1 },
  position: { symbol: "BTC", quantity: 2 },
  undefinedItem: [1, null],
  undefinedMember: { b: 1 },
  backslash: "C:\\ud800",
  boxed: [1, "a", true],
  date: "1970-01-01T00:00:00.000Z",
  money: "12.50",
  ownProto: JSON.parse('{"__proto__": {"a": 1}}'),
  noPrototype: { a: 1 },
  emptyObject: {},
  environment: {},
  otherRealm: {},
  emptyList: [],
};

const HIDES = "whose content cannot be read; give it a toJSON(), or convert it to a plain object";
const GIVES = "which JSON does not have; convert its items to a list or an object";
const BYTES = "which JSON does not have; a Uint8Array holds bytes";
const NO_TEXT = "has half a character (a lone surrogate), which JSON does not have";

/** The expected problem of each value, after its place. */
const REFUSED: Readonly<Record<string, string>> = {
  mapOfObjects: " is a Map with keys that cannot be member names; make a list of its entries",
  mapOfTwins: " is a Map with keys that cannot be member names; make a list of its entries",
  generator: ` is a Generator, ${GIVES}`,
  asyncGenerator: ` is an AsyncGenerator, ${GIVES}`,
  iterator: ` is an Iterator, ${GIVES}`,
  headers: ` is a Headers, ${GIVES}`,
  searchParams: ` is an URLSearchParams, ${GIVES}`,
  stream: ` is a Readable, ${GIVES}`,
  webStream: ` is a ReadableStream, ${GIVES}`,
  proxyOfMap: ` is a Map, ${GIVES}`,
  floatsWithNaN: "[1] is NaN, which JSON does not have",
  bigints: "[0] is a bigint, which JSON does not have; String() converts it to text",
  transferred: " is a Float64Array whose memory was transferred",
  arrayBuffer: ` is an ArrayBuffer, ${BYTES}`,
  sharedArrayBuffer: ` is a SharedArrayBuffer, ${BYTES}`,
  dataView: ` is a DataView, ${BYTES}`,
  blob: ` is a Blob ${HIDES}`,
  response: ` is a Response ${HIDES}`,
  request: ` is a Request ${HIDES}`,
  promise: " is a promise, which JSON does not have; await it first",
  regExp: ` is a RegExp ${HIDES}`,
  weakMap: ` is a WeakMap ${HIDES}`,
  intl: ` is a NumberFormat ${HIDES}`,
  hidden: ` is a Hidden ${HIDES}`,
  symbolsOnly: ` is an Object ${HIDES}`,
  notEnumerable: ` is an Object ${HIDES}`,
  hole: "[1] is a missing element of a list",
  hugeHole: "[0] is a missing element of a list",
  namedList: " is a list with named members but no elements, which JSON does not have; use an object",
  half: `.note ${NO_TEXT}`,
  halfName: `["BTC\\ud83d"] ${NO_TEXT}`,
  boxedBigint: " is a bigint, which JSON does not have; String() converts it to text",
  invalidDate: " is an invalid date",
  bigint: " is a bigint, which JSON does not have; String() converts it to text",
  symbol: " is a symbol, which JSON does not have",
  toJsonThrows: " has a toJSON that fails: no price yet",
  toJsonGivesNothing: " has a toJSON that returns undefined",
  toJsonGivesPromise: " is a promise, which JSON does not have; await it first",
  toJsonGivesItself: " contains itself",
  getterThrows: ".price cannot be read: no price yet",
  method: ".call is a function, which JSON does not have",
  circular: ".a.b contains itself",
  oddName: '["a b"]["c\\"d"] is NaN, which JSON does not have',
};

/** The errors of all values at once, because an instance takes long to start. */
async function errorsOf(
  instance: Instance,
  method: string,
  names: readonly string[],
): Promise<Record<string, unknown>> {
  const errors = await Promise.all(names.map((name) => errorOf(call(instance, method, name))));
  return Object.fromEntries(names.map((name, index) => [name, errors[index]?.metadata.error]));
}

describeInEach("a module in a %s", (isolation) => {
  const answering = hostRig().share(isolation, "answering");

  it("returns values without a JSON form by the documented rules, at any depth", async () => {
    const instance = await answering();
    for (const [name, expected] of Object.entries(CONVERTED)) {
      const answer = (await call(instance, "answer", name)) as { of: unknown };
      expect([name, JSON.stringify(answer.of)]).toEqual([name, JSON.stringify(expected)]);
    }
    expect(Math.abs(((await call(instance, "answer", "negativeZero")) as { of: number }).of)).toBe(0);
    expect(await call(instance, "plainly", "map")).toEqual(CONVERTED.map);
    expect(await call(instance, "plainly", "promise")).toBe(1);
    expect(await call(instance, "plainly", "buffer")).toEqual(new Uint8Array([1, 255]));
  });

  it("never returns a value that JSON cannot carry as a success: the error names its place, and the module lives on", async () => {
    const instance = await answering();
    const errors = await errorsOf(instance, "answer", Object.keys(REFUSED));
    expect(errors).toEqual(
      Object.fromEntries(Object.entries(REFUSED).map(([name, problem]) => [name, `output.of${problem}`])),
    );
    expect((await errorsOf(instance, "plainly", ["hidden"])).hidden).toContain(
      "output is a Hidden whose content cannot be read",
    );
    expect(await call(instance, "answer", "emptyObject")).toEqual({ of: {} });
  });

  it("calls others by the same rules: an invalid input is refused at its place before it is sent", async () => {
    const instance = await answering();
    expect(await call(instance, "ask", "map")).toEqual({ of: CONVERTED.map });
    const names = Object.keys(REFUSED);
    expect(await errorsOf(instance, "ask", names)).toEqual(
      Object.fromEntries(names.map((name) => [name, `input.of${REFUSED[name]}`])),
    );
  });

  it("gets an error for an invalid call or an invalid flag request, and does not wait for ever", async () => {
    const instance = await answering();
    expect(await call(instance, "ask_wrongly")).toEqual([
      "dependency must be a string, but is a value of type undefined",
      "method must be a string, but is a value of type number",
      "method must be a string, but is null",
      "flag must be a string, but is a value of type undefined",
      "context must be an object",
      "context.attributes.a is a function, which JSON does not have",
      "context.attributes.at is an invalid date",
    ]);
    expect(await call(instance, "is_enabled", { symbol: "BTC" })).toBe(false);
  });

  it("hands over everything that a structured clone can copy", async () => {
    const instance = await answering();
    await call(instance, "next_state", "rich");
    expect(deserialize((await instance.exportState(10_000)).bytes)).toMatchObject({
      at: new Date(0),
      big: 2n ** 70n,
      floats: new Float64Array([1, Number.NaN]),
      byAccount: new Map([["acc", new Set([1n])]]),
      error: expect.any(RangeError),
      pattern: /a/g,
    });
    for (const name of ["map", "set", "hole", "hugeHole", "mapOfObjects", "circular", "invalidDate", "half"]) {
      await call(instance, "next_state", name);
      await instance.exportState(10_000);
    }
  });

  it.each([
    ["deepFunction", "state.books.BTC.levels[1].price is a function, which cannot be handed over"],
    ["inSet", "state[1] is a Hidden whose content cannot be read; hand over plain data"],
    ["hidden", "state is a Hidden whose content cannot be read; hand over plain data"],
    ["promiseInside", "state.orders[0] is a promise, which cannot be handed over; await it first"],
    ["proxy", "state is a Proxy, which cannot be handed over"],
    ["sharedArrayBuffer", "state is shared memory, which cannot be handed over"],
    ["transferred", "state is memory that was transferred"],
    ["response", "state is a Response whose content cannot be read"],
    ["weakMap", "state is a WeakMap whose content cannot be read"],
    ["getterThrows", "state.price cannot be read: no price yet"],
    ["method", "state.call is a function, which cannot be handed over"],
  ])("does not hand over a partial state: %s is refused at its place", async (name, problem) => {
    const instance = await answering();
    await call(instance, "next_state", name);
    expect((await errorOf(instance.exportState(10_000))).metadata.error).toContain(problem);
  });
});
