import { types } from "node:util";

/** The parts of an object from which its JSON is made. */
export type Shape =
  | { readonly is: "list"; readonly items: Iterable<unknown> }
  /** Members, in order. `get` reads a member, and may throw. */
  | { readonly is: "members"; readonly names: Iterable<string>; get(name: string): unknown }
  /** A Map with keys that cannot be names of members. */
  | { readonly is: "entries"; readonly entries: Iterable<readonly [unknown, unknown]> }
  /** The object represents another value, which its toJSON, for example, returns. */
  | { readonly is: "value"; value(): unknown }
  | { readonly is: "refused"; readonly problem: string };

/**
 * Returns the shape of an object, by the rules in docs/modules.md. May throw what the object's own code throws. `key` is
 * the name or index of the object in its parent, which is passed to `toJSON`.
 */
export function shapeOf(object: object, key: string): Shape {
  if (types.isTypedArray(object)) return shapeOfNumbers(object);
  if (types.isDate(object) && Number.isNaN(object.getTime())) return refused("is an invalid date");
  const { toJSON } = object as { readonly toJSON?: unknown };
  if (typeof toJSON === "function") return { is: "value", value: () => toJSON.call(object, key) };
  if (types.isDate(object)) return { is: "value", value: () => object.toISOString() };
  if (Array.isArray(object)) return shapeOfList(object);
  if (types.isMap(object)) return shapeOfMap(object);
  if (types.isSet(object)) return { is: "list", items: object };
  if (types.isBoxedPrimitive(object)) return { is: "value", value: () => object.valueOf() };
  if (isError(object)) return shapeOfError(object);
  if (types.isAnyArrayBuffer(object) || types.isDataView(object)) {
    return refused(`is ${aName(object)}, which JSON does not have; a Uint8Array holds bytes`);
  }
  if (typeof (object as { readonly then?: unknown }).then === "function") {
    return refused("is a promise, which JSON does not have; await it first");
  }
  if (Symbol.iterator in object || Symbol.asyncIterator in object) {
    return refused(`is ${aName(object)}, which JSON does not have; convert its items to a list or an object`);
  }
  return shapeOfMembers(object);
}

/** Whether an object is a plain object, not an instance of a class. */
export function isPlainObject(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === null || prototype === Object.prototype) return true;
  // A plain object of another realm, such as a context of node:vm.
  if (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, "isPrototypeOf")) return true;
  // Node makes this object as an instance of an internal class.
  return object === process.env;
}

/** Whether a value is an error of any realm. Never throws. */
export function isError(value: unknown): value is Error {
  try {
    return types.isNativeError(value) || value instanceof Error;
  } catch {
    return false;
  }
}

/** Returns the name of an object's class with an article, such as `a Map`. */
export function aName(object: object): string {
  const name = nameOf(object);
  return `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;
}

/** Returns the name of an object's class, of at most 64 characters, or `object` if it cannot be read. */
export function nameOf(object: object): string {
  try {
    const name: unknown = (object as { readonly constructor?: { readonly name?: unknown } }).constructor?.name;
    const known = typeof name === "string" && name !== "" && name !== "Object" ? name : undefined;
    // Generators and iterators are named only by their tag.
    return (known ?? Object.prototype.toString.call(object).slice("[object ".length, -1)).slice(0, 64);
  } catch {
    return "object";
  }
}

/** The problem of an object without readable members: neither JSON nor a structured clone would contain anything of it. */
export function hiddenProblem(object: object): string {
  return `is ${aName(object)} whose content cannot be read`;
}

/** Members of an error, in this order. Its other enumerable members follow. */
const ERROR_MEMBERS = ["name", "message", "code", "cause", "errors"];

const refused = (problem: string): Shape => ({ is: "refused", problem });

function shapeOfNumbers(numbers: NodeJS.TypedArray): Shape {
  if (numbers.buffer instanceof ArrayBuffer && numbers.buffer.detached) {
    return refused(`is ${aName(numbers)} whose memory was transferred`);
  }
  return { is: "list", items: numbers as Iterable<unknown> };
}

function shapeOfList(list: readonly unknown[]): Shape {
  if (list.length === 0 && Object.keys(list).length > 0) {
    return refused("is a list with named members but no elements, which JSON does not have; use an object");
  }
  return { is: "list", items: list };
}

function shapeOfMap(map: ReadonlyMap<unknown, unknown>): Shape {
  const keys = map.keys();
  if (keys.every((key) => typeof key === "string")) {
    return { is: "members", names: map.keys() as Iterable<string>, get: (name) => map.get(name) };
  }
  const byName = new Map<string, unknown>();
  for (const [key, value] of map) {
    const isNamed = typeof key === "string" || typeof key === "number" || typeof key === "bigint";
    if (!isNamed || byName.has(String(key))) return { is: "entries", entries: map };
    byName.set(String(key), value);
  }
  return { is: "members", names: byName.keys(), get: (name) => byName.get(name) };
}

function shapeOfError(error: Error): Shape {
  const members = error as unknown as Readonly<Record<string, unknown>>;
  const names = new Set([...ERROR_MEMBERS.filter((name) => name in error), ...Object.keys(error)]);
  return { is: "members", names, get: (name) => members[name] };
}

function shapeOfMembers(object: object): Shape {
  const names = Object.keys(object);
  if (names.length === 0 && !isEmpty(object)) {
    return refused(`${hiddenProblem(object)}; give it a toJSON(), or convert it to a plain object`);
  }
  return { is: "members", names, get: (name) => (object as Readonly<Record<string, unknown>>)[name] };
}

/** Whether an object without enumerable members is really empty: a plain object without hidden members. */
export function isEmpty(object: object): boolean {
  return isPlainObject(object) && Reflect.ownKeys(object).length === 0;
}
