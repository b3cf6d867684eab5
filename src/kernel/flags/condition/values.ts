import { Failure, type Run } from "./budget.ts";

/**
 * A value of an expression: null, a bool, a double (number), an int (bigint), a text, bytes, a list (array), a map (an object
 * of JSON, or a MadeMap) or one of the classes below. The values within a list or an object are read with `read`.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly unknown[]
  | Special
  | { readonly [key: string]: unknown };

export const MIN_INT = -(2n ** 63n);
export const MAX_INT = 2n ** 63n - 1n;
export const MAX_UINT = 2n ** 64n - 1n;
/** Years 1 to 9999. */
export const MIN_TIMESTAMP = -62_135_596_800_000_000_000n;
export const MAX_TIMESTAMP = 253_402_300_799_999_999_999n;

/**
 * Nesting of a value in the context of an evaluation; a deeper one is refused with `ARGUMENT_INVALID`. @limit levels
 */
export const VALUE_MAX_DEPTH = 100;

/** Values that JSON does not have. */
export abstract class Special {}

/** An unsigned whole number of 64 bits. */
export class Uint extends Special {
  readonly value: bigint;
  constructor(value: bigint) {
    super();
    this.value = value;
  }
}

/** A point in time: nanoseconds since the Unix epoch. */
export class Timestamp extends Special {
  readonly ns: bigint;
  constructor(ns: bigint) {
    super();
    this.ns = ns;
  }
}

/** A span of time in nanoseconds, within 64 bits. */
export class Duration extends Special {
  readonly ns: bigint;
  constructor(ns: bigint) {
    super();
    this.ns = ns;
  }
}

/** The result of `type(x)`. */
export class TypeValue extends Special {
  readonly name: string;
  constructor(name: string) {
    super();
    this.name = name;
  }
}

/** A key of a map, in a form that is the same for equal numbers. */
export type Key = string | bigint | boolean;

/** A map that the expression made. It has its members in the order of the expression. */
export class MadeMap extends Special {
  readonly members = new Map<Key, { readonly key: Value; readonly value: Value }>();
}

export const TYPE_NAMES = [
  "bool",
  "bytes",
  "double",
  "google.protobuf.Duration",
  "google.protobuf.Timestamp",
  "int",
  "list",
  "map",
  "null_type",
  "string",
  "type",
  "uint",
] as const;

export function typeName(value: Value): (typeof TYPE_NAMES)[number] {
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return "double";
  if (typeof value === "bigint") return "int";
  if (typeof value === "string") return "string";
  if (value === null) return "null_type";
  if (Array.isArray(value)) return "list";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Uint) return "uint";
  if (value instanceof Timestamp) return "google.protobuf.Timestamp";
  if (value instanceof Duration) return "google.protobuf.Duration";
  return value instanceof TypeValue ? "type" : "map";
}

/** A map that the expression made, or an object of JSON. */
export type AnyMap = MadeMap | { readonly [key: string]: unknown };

export function isMap(value: Value): value is AnyMap {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) return false;
  return !(value instanceof Special) || value instanceof MadeMap;
}

/** Converts a value of the context, or an element of a list, to a value of expressions. Undefined: the value is absent. */
export function read(value: unknown): Value | undefined | Failure {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return value;
    case "number":
      return Number.isFinite(value) ? value : new Failure("the number is not finite");
    case "bigint":
      return value >= MIN_INT && value <= MAX_INT ? value : new Failure("the int has more than 64 bits");
    case "object":
      return value === null || isReadable(value) ? (value as Value) : new Failure("the value is not JSON");
    default:
      return new Failure("the value is not JSON");
  }
}

function isReadable(value: object): boolean {
  if (Array.isArray(value) || value instanceof Special || value instanceof Uint8Array) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return !(value instanceof Date || value instanceof Map || value instanceof Set || ArrayBuffer.isView(value));
}

/** The sizes of large objects, counted when they arrived, because the platform takes long even to find their first member. */
const counted = new WeakMap<object, number>();
const WORTH_KEEPING = 32;

/** Whether a map is large, and its members were counted. */
export function isLarge(map: object): boolean {
  return counted.has(map);
}

/** Remembers the number of members of a new object. */
export function keepCount(map: object, count: number): void {
  if (count >= WORTH_KEEPING) counted.set(map, count);
  else counted.delete(map);
}

/** Counts the members of a map. It takes one step, and one more for each member. */
export function memberCount(map: AnyMap, run: Run): number {
  const count = map instanceof MadeMap ? map.members.size : (counted.get(map) ?? presentKeys(map).length);
  run.step(1 + count);
  return count;
}

/** A member of an object that is undefined counts as absent. */
export function presentKeys(map: { readonly [key: string]: unknown }): string[] {
  const keys = Object.keys(map);
  for (const key of keys) if (map[key] === undefined) return keys.filter((each) => map[each] !== undefined);
  return keys;
}

/** Converts a key to the form that maps compare. Undefined: the value cannot be a key. */
export function keyOf(value: Value): Key | undefined {
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint") return value;
  if (value instanceof Uint) return value.value;
  // A double can be a key only if it is a whole number. It is the same key as the int of that value.
  return typeof value === "number" && Number.isInteger(value) ? BigInt(value) : undefined;
}

/** The member with that key. Undefined if the map has no such key. */
export function memberOf(map: AnyMap, key: Value, run: Run): Value | undefined | Failure {
  if (typeof key === "string") run.pass(key.length);
  if (map instanceof MadeMap) {
    const at = keyOf(key);
    return at === undefined ? undefined : map.members.get(at)?.value;
  }
  return typeof key === "string" && Object.hasOwn(map, key) ? read(map[key]) : undefined;
}
