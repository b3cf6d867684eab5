import { Failure, type Run } from "./budget.ts";
import { SEARCHED_PER_STEP } from "./texts.ts";
import {
  type AnyMap,
  Duration,
  isMap,
  MadeMap,
  memberCount,
  memberOf,
  read,
  Timestamp,
  TypeValue,
  Uint,
  VALUE_MAX_DEPTH,
  type Value,
} from "./values.ts";

/**
 * Whether two values are equal. Numbers of different types are compared by value; other values of different types are never
 * equal. It takes a step for each pair within lists and maps, and for 32 characters or bytes of the shorter one.
 */
export function equal(a: Value, b: Value, run: Run, depth = 0): boolean | Failure {
  if (typeof a === "string") return typeof b === "string" && equalText(a, b, run);
  if (typeof a === "number" && typeof b === "number") return a === b;
  const [x, y] = [numberOf(a), numberOf(b)];
  // biome-ignore lint/suspicious/noDoubleEquals: `==` compares an int with a double exactly, by value
  if (x !== undefined || y !== undefined) return x !== undefined && y !== undefined && x == y;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (a instanceof Uint8Array) return b instanceof Uint8Array && compareBytes(a, b, run) === 0;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.ns === b.ns;
  if (a instanceof Duration) return b instanceof Duration && a.ns === b.ns;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name;
  if (depth >= VALUE_MAX_DEPTH) return new Failure(`the value is nested deeper than ${VALUE_MAX_DEPTH}`);
  if (Array.isArray(a)) return Array.isArray(b) && equalLists(a, b, run, depth);
  return isMap(a) && isMap(b) && equalMaps(a, b, run, depth);
}

function equalText(a: string, b: string, run: Run): boolean {
  run.pass(Math.min(a.length, b.length));
  return a === b;
}

function equalLists(a: readonly unknown[], b: readonly unknown[], run: Run, depth: number): boolean | Failure {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) {
    run.step(1);
    const same = equalInside(read(a[index]), read(b[index]), run, depth);
    if (same !== true) return same;
  }
  return true;
}

type JsonMap = Exclude<AnyMap, MadeMap>;

/** Compares all members, even after a difference, because their order must not matter. */
function equalMaps(a: AnyMap, b: AnyMap, run: Run, depth: number): boolean | Failure {
  if (memberCount(a, run) !== memberCount(b, run)) return false;
  const made = a instanceof MadeMap ? [...a.members.values()] : undefined;
  const keys: readonly Value[] = made?.map(({ key }) => key) ?? Object.keys(a);
  let answer: boolean | Failure = true;
  for (let index = 0; index < keys.length; index += 1) {
    const key = keys[index] as Value;
    const other = memberOf(b, key, run);
    const value = made === undefined ? read((a as JsonMap)[key as string]) : made[index]?.value;
    if (value === undefined) continue;
    const same = other === undefined ? false : equalInside(value, other, run, depth);
    // A difference decides even if another member could not be compared.
    if (same === false || (answer === true && same !== true)) answer = same;
  }
  return answer;
}

function equalInside(
  a: Value | undefined | Failure,
  b: Value | undefined | Failure,
  run: Run,
  depth: number,
): boolean | Failure {
  if (a instanceof Failure) return a;
  if (b instanceof Failure) return b;
  return equal(a ?? null, b ?? null, run, depth + 1);
}

/** Below 0 if `a` comes before `b`, 0 if they are equal, above 0 if it comes after. Undefined: they have no order. */
export function compare(a: Value, b: Value, run: Run): number | undefined {
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) return x < y ? -1 : x > y ? 1 : 0;
  if (typeof a === "string" && typeof b === "string") {
    run.step(Math.floor(Math.min(a.length, b.length) / SEARCHED_PER_STEP));
    return compareText(a, b);
  }
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b, run);
  const times = (a instanceof Timestamp && b instanceof Timestamp) || (a instanceof Duration && b instanceof Duration);
  return times ? order(a.ns, b.ns) : undefined;
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** How many characters are compared one by one before the rest is halved. */
const NEAR = 4;

/** Compares by code points, which is the order of UTF-8. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && at < NEAR && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  if (at === NEAR) at = firstDifference(a, b, NEAR, length);
  if (at >= length) return a.length - b.length;
  const x = a.charCodeAt(at);
  const y = b.charCodeAt(at);
  // A surrogate is part of a character that comes after all characters of one unit.
  const [left, right] = [isSurrogate(x), isSurrogate(y)];
  return left === right ? x - y : left ? 1 : -1;
}

/** The first index from `from` on at which the texts differ, or `to`. Bisection is fast: the platform compares whole texts. */
function firstDifference(a: string, b: string, from: number, to: number): number {
  let [low, high] = [from, to];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (a.slice(low, middle) === b.slice(low, middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

function compareBytes(a: Uint8Array, b: Uint8Array, run: Run): number {
  const length = Math.min(a.length, b.length);
  run.pass(length);
  for (let at = 0; at < length; at += 1) {
    const difference = (a[at] as number) - (b[at] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The value of an int, a uint or a double. */
function numberOf(value: Value): number | bigint | undefined {
  if (typeof value === "number" || typeof value === "bigint") return value;
  return value instanceof Uint ? value.value : undefined;
}
