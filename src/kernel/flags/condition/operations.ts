import { Failure, type Run } from "./budget.ts";
import { compare, equal } from "./compare.ts";
import * as numbers from "./numbers.ts";
import type { Op } from "./program.ts";
import * as texts from "./texts.ts";
import * as times from "./times.ts";
import {
  Duration,
  isMap,
  memberCount,
  memberOf,
  read,
  Timestamp,
  TypeValue,
  typeName,
  Uint,
  type Value,
} from "./values.ts";

/** The bytes that are counted for an element of a new list. */
export const ELEMENT_BYTES = 8;

type Answer = Value | Failure;
export type Unary = (value: Value, run: Run) => Answer;
export type Binary = (a: Value, b: Value, run: Run) => Answer;

/** The operations on one value. */
export const UNARY: Readonly<Partial<Record<Op, Unary>>> = {
  NOT: (value) => (typeof value === "boolean" ? !value : unfit(value)),
  NEGATE: (value) => {
    if (typeof value === "number") return -value;
    return typeof value === "bigint" ? numbers.int(-value) : unfit(value);
  },
  SIZE: (value, run) => {
    if (typeof value === "string") return BigInt(texts.characters(value, run));
    if (Array.isArray(value) || value instanceof Uint8Array) return BigInt(value.length);
    return isMap(value) ? BigInt(memberCount(value, run)) : unfit(value);
  },
  TO_INT: (value, run) => {
    if (typeof value === "bigint") return value;
    if (typeof value === "number") return numbers.intOfDouble(value);
    if (typeof value === "string") return numbers.intOfText(converted(value, run));
    if (value instanceof Uint) return numbers.int(value.value);
    if (value instanceof Timestamp) return times.floorDivide(value.ns, 1_000_000_000n);
    return value instanceof Duration ? value.ns / 1_000_000_000n : unfit(value);
  },
  TO_UINT: (value, run) => {
    if (value instanceof Uint) return value;
    if (typeof value === "bigint") return numbers.uint(value);
    if (typeof value === "number") return numbers.uintOfDouble(value);
    return typeof value === "string" ? numbers.uintOfText(converted(value, run)) : unfit(value);
  },
  TO_DOUBLE: (value, run) => {
    if (typeof value === "number") return value;
    if (typeof value === "bigint") return Number(value);
    if (value instanceof Uint) return Number(value.value);
    return typeof value === "string" ? numbers.doubleOfText(converted(value, run)) : unfit(value);
  },
  TO_BOOL: (value, run) => {
    if (typeof value === "boolean") return value;
    return typeof value === "string" ? numbers.boolOfText(converted(value, run)) : unfit(value);
  },
  TO_STRING: (value, run) => {
    if (typeof value === "string") return value;
    if (typeof value === "number") return texts.made(converted(numbers.textOfDouble(value), run), run);
    if (typeof value === "boolean" || typeof value === "bigint") return texts.made(converted(String(value), run), run);
    if (value instanceof Uint) return texts.made(converted(String(value.value), run), run);
    if (value instanceof Uint8Array) return texts.textOfUtf8(value, run);
    if (value instanceof Timestamp) return texts.made(converted(times.textOfTimestamp(value), run), run);
    return value instanceof Duration ? texts.made(converted(times.textOfDuration(value), run), run) : unfit(value);
  },
  TO_BYTES: (value, run) => {
    if (value instanceof Uint8Array) return value;
    return typeof value === "string" ? texts.utf8(value, run) : unfit(value);
  },
  TO_TIMESTAMP: (value, run) => {
    if (value instanceof Timestamp) return value;
    if (typeof value === "bigint") return times.timestamp(value * 1_000_000_000n);
    return typeof value === "string" ? times.timestampOfText(converted(value, run)) : unfit(value);
  },
  TO_DURATION: (value, run) => {
    if (value instanceof Duration) return value;
    if (typeof value === "bigint") return times.duration(value * 1_000_000_000n);
    return typeof value === "string" ? times.durationOfText(converted(value, run)) : unfit(value);
  },
  TYPE_OF: (value) => new TypeValue(typeName(value)),
};

/** The operations on two values. */
export const BINARY: Readonly<Partial<Record<Op, Binary>>> = {
  ADD: add,
  SUBTRACT: (a, b) => {
    if (typeof a === "number" && typeof b === "number") return numbers.double(a - b);
    if (typeof a === "bigint" && typeof b === "bigint") return numbers.int(a - b);
    if (a instanceof Uint && b instanceof Uint) return numbers.uint(a.value - b.value);
    if (b instanceof Duration && a instanceof Timestamp) return times.timestamp(a.ns - b.ns);
    if (b instanceof Duration && a instanceof Duration) return times.duration(a.ns - b.ns);
    return a instanceof Timestamp && b instanceof Timestamp ? times.duration(a.ns - b.ns) : unfit(a, b);
  },
  MULTIPLY: (a, b) => {
    if (typeof a === "number" && typeof b === "number") return numbers.double(a * b);
    if (typeof a === "bigint" && typeof b === "bigint") return numbers.int(a * b);
    return a instanceof Uint && b instanceof Uint ? numbers.uint(a.value * b.value) : unfit(a, b);
  },
  DIVIDE: (a, b) => {
    if (typeof a === "number" && typeof b === "number") return numbers.double(a / b);
    return whole(a, b, (x, y) => x / y);
  },
  MODULO: (a, b) => whole(a, b, (x, y) => x % y),
  EQUAL: (a, b, run) => equal(a, b, run),
  NOT_EQUAL: (a, b, run) => {
    const same = equal(a, b, run);
    return same instanceof Failure ? same : !same;
  },
  LESS: (a, b, run) => ordered(a, b, run, (order) => order < 0),
  LESS_OR_EQUAL: (a, b, run) => ordered(a, b, run, (order) => order <= 0),
  GREATER: (a, b, run) => ordered(a, b, run, (order) => order > 0),
  GREATER_OR_EQUAL: (a, b, run) => ordered(a, b, run, (order) => order >= 0),
  IN: isIn,
  INDEX: (of, key, run) => {
    if (Array.isArray(of)) return element(of, key);
    if (!isMap(of)) return unfit(of, key);
    return memberOf(of, key, run) ?? new Failure("there is no such member");
  },
  CONTAINS: (a, b, run) => (typeof a === "string" && typeof b === "string" ? texts.contains(a, b, run) : unfit(a, b)),
  STARTS_WITH: (a, b, run) =>
    typeof a === "string" && typeof b === "string" ? texts.startsWith(a, b, run) : unfit(a, b),
  ENDS_WITH: (a, b, run) => (typeof a === "string" && typeof b === "string" ? texts.endsWith(a, b, run) : unfit(a, b)),
};

/** Counts the steps for converting a text to a number or a time, or back. */
function converted(text: string, run: Run): string {
  run.step(Math.floor(text.length / numbers.CONVERTED_PER_STEP));
  return text;
}

function add(a: Value, b: Value, run: Run): Answer {
  if (typeof a === "number" && typeof b === "number") return numbers.double(a + b);
  if (typeof a === "string" && typeof b === "string") return texts.joined(a, b, run);
  if (typeof a === "bigint" && typeof b === "bigint") return numbers.int(a + b);
  if (a instanceof Uint && b instanceof Uint) return numbers.uint(a.value + b.value);
  if (Array.isArray(a) && Array.isArray(b)) {
    run.pass(a.length + b.length);
    run.make(texts.MADE_OVERHEAD + (a.length + b.length) * ELEMENT_BYTES);
    return (a as readonly unknown[]).concat(b);
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    run.pass(a.length + b.length);
    run.make(texts.MADE_OVERHEAD + a.length + b.length);
    const both = new Uint8Array(a.length + b.length);
    both.set(a);
    both.set(b, a.length);
    return both;
  }
  if (a instanceof Duration && b instanceof Duration) return times.duration(a.ns + b.ns);
  const [time, span] = a instanceof Timestamp ? [a, b] : [b, a];
  return time instanceof Timestamp && span instanceof Duration ? times.timestamp(time.ns + span.ns) : unfit(a, b);
}

/** Division towards 0. The remainder has the sign of the dividend. */
function whole(a: Value, b: Value, divide: (a: bigint, b: bigint) => bigint): Answer {
  const isUint = a instanceof Uint && b instanceof Uint;
  if (!isUint && (typeof a !== "bigint" || typeof b !== "bigint")) return unfit(a, b);
  const [x, y] = isUint ? [a.value, b.value] : [a as bigint, b as bigint];
  if (y === 0n) return new Failure("it divides by zero");
  return isUint ? numbers.uint(divide(x, y)) : numbers.int(divide(x, y));
}

function ordered(a: Value, b: Value, run: Run, holds: (order: number) => boolean): Answer {
  const order = compare(a, b, run);
  return order === undefined ? unfit(a, b) : holds(order);
}

function isIn(value: Value, of: Value, run: Run): Answer {
  if (Array.isArray(of)) {
    let failed: Failure | undefined;
    for (const each of of as readonly unknown[]) {
      run.step(1);
      const member = read(each);
      const same = member instanceof Failure ? member : equal(value, member ?? null, run);
      if (same === true) return true;
      if (same !== false) failed ??= same;
    }
    return failed ?? false;
  }
  if (!isMap(of) || typeof value === "object")
    return value instanceof Uint && isMap(of) ? isKey(value, of, run) : unfit(value, of);
  return isKey(value, of, run);
}

function isKey(value: Value, of: Parameters<typeof memberOf>[0], run: Run): Answer {
  return memberOf(of, value, run) !== undefined;
}

function element(of: readonly unknown[], key: Value): Answer {
  const at = key instanceof Uint ? key.value : key;
  if (typeof at !== "bigint" && typeof at !== "number") return unfit(of, key);
  if (typeof at === "number" && !Number.isInteger(at)) return new Failure("the index is not a whole number");
  if (at < 0 || at >= of.length) return new Failure("the index is beyond the list");
  return read(of[Number(at)]) ?? null;
}

/** The failure of an operation that does not accept these values. */
export function unfit(...values: readonly Value[]): Failure {
  return new Failure(() => `it does not take ${values.map(typeName).join(" and ")}`);
}
