import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import type { Duration, Timestamp, Value } from "@bufbuild/protobuf/wkt";
import {
  EARLIEST_TIME,
  firstViolation,
  type JsonPath,
  LATEST_TIME,
  numberProblem,
  numberViolation,
  refuse,
  type Violation,
} from "../../core/index.ts";

/**
 * Finds an error in the free-form JSON, the times and the durations of a message. The path uses the field names of the
 * contract.
 */
type Find = (message: Message, path: JsonPath) => Violation | undefined;

const finds = new WeakMap<DescMessage, Find | undefined>();

/**
 * Refuses a message that contains, at any depth, a number in a Struct or Value that is NaN, infinite or beyond 2^53 − 1, a
 * Value that is not set, or a time or duration out of range. Throws ARGUMENT_INVALID with the place, such as
 * `json.prices[3]`.
 */
export function checkValues(desc: DescMessage, message: Message): void {
  valuesCheckOf(desc)?.(message);
}

/** The same for all messages of a type. Undefined if none of its fields, nor of its nested messages, can be refused. */
export function valuesCheckOf(desc: DescMessage): ((message: Message) => void) | undefined {
  const find = findIn(desc);
  return find && ((message) => refuse(find(message, [])));
}

/** Undefined if messages of that type have no such fields. */
function findIn(desc: DescMessage): Find | undefined {
  if (finds.has(desc)) return finds.get(desc);
  // Set before the fields are visited, because a type may contain itself.
  finds.set(desc, undefined);
  const fields = desc.fields.flatMap((field) => findInField(field) ?? []);
  const find: Find | undefined = fields.length === 0 ? undefined : (message, path) => findFirst(fields, message, path);
  finds.set(desc, find);
  return find;
}

function findFirst(fields: readonly Find[], message: Message, path: JsonPath): Violation | undefined {
  for (let index = 0; index < fields.length; index++) {
    const found = fields[index]?.(message, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

function findInField(field: DescField): Find | undefined {
  const { message: desc, name } = field;
  const find = desc === undefined ? undefined : findInValue(desc);
  if (find === undefined) return undefined;
  return (message, path) => {
    const value = heldIn(field, message);
    if (value === undefined) return undefined;
    const at = [...path, name];
    switch (field.fieldKind) {
      case "list":
        return firstOf((value as unknown[]).entries(), ([index, one]) => find(one as Message, [...at, index]));
      case "map":
        return firstOf(Object.entries(value as object), ([key, one]) => find(one as Message, [...at, key]));
      default:
        return find(value as Message, at);
    }
  };
}

function heldIn({ oneof, localName }: DescField, message: Message): unknown {
  if (oneof === undefined) return (message as unknown as Record<string, unknown>)[localName];
  const set = (message as unknown as Record<string, { case: string | undefined; value?: unknown }>)[oneof.localName];
  return set?.case === localName ? set.value : undefined;
}

function findInValue(desc: DescMessage): Find | undefined {
  switch (desc.typeName) {
    // The runtime represents the Struct of a field as plain JSON.
    case "google.protobuf.Struct":
      return numberViolation;
    case "google.protobuf.Value":
      return (message, path) => valueViolation(message as Value, path);
    case "google.protobuf.Timestamp":
      return (message, path) => spanViolation(message as Timestamp, path, FIRST_SECOND, LAST_SECOND, A_TIME);
    case "google.protobuf.Duration":
      return (message, path) => spanViolation(message as Duration, path, -MAX_SPAN_SECONDS, MAX_SPAN_SECONDS, A_SPAN);
    case "google.protobuf.ListValue":
      return (message, path) => valueViolation(asList(message), path);
    case "helios.v1.EvaluationContext":
      // The core checks it, wherever it comes from. It may have 100,000 members, so it is not checked twice.
      return undefined;
    default:
      return findIn(desc);
  }
}

const asList = (value: Message): Value => ({ kind: { case: "listValue", value } }) as Value;

/** Nesting up to which a Value is checked without keeping the place. */
const SHALLOW = 64;

/** Whether a Value has no violation. False also for one that is nested too deeply to find out by recursion. */
function isSound({ kind }: Value, depth: number): boolean {
  switch (kind.case) {
    case undefined:
      return false;
    case "numberValue":
      return numberProblem(kind.value) === undefined;
    case "listValue": {
      if (depth === SHALLOW) return false;
      for (const value of kind.value.values) if (!isSound(value, depth + 1)) return false;
      return true;
    }
    case "structValue": {
      if (depth === SHALLOW) return false;
      const { fields } = kind.value;
      for (const name of Object.keys(fields)) if (!isSound(fields[name] as Value, depth + 1)) return false;
      return true;
    }
    default:
      return true;
  }
}

function valueViolation(value: Value, path: JsonPath): Violation | undefined {
  // Only a violation needs the slower search, which finds its place.
  if (isSound(value, 0)) return undefined;
  return firstViolation(value, path, ({ kind }) => {
    switch (kind.case) {
      case undefined:
        return NOTHING;
      case "numberValue":
        return numberProblem(kind.value);
      case "listValue":
        return [...kind.value.values.entries()];
      case "structValue":
        return Object.entries(kind.value.fields);
      default:
        return undefined;
    }
  });
}

const NOTHING = { problem: "holds no value", expected: "null, a boolean, a number, a string, a list or an object" };

/** The range of the years 1 to 9999. */
const FIRST_SECOND = BigInt(EARLIEST_TIME / 1000);
const LAST_SECOND = BigInt((LATEST_TIME - 999) / 1000);
/** 10,000 years, the range of google.protobuf.Duration. */
const MAX_SPAN_SECONDS = 315_576_000_000n;
const A_TIME = "a time in the years 1 to 9999, with nanos from 0 to 999999999";
const A_SPAN = "a duration of at most 10,000 years, with nanos of the same sign and below one second";

function spanViolation(
  { seconds, nanos }: Timestamp | Duration,
  path: JsonPath,
  from: bigint,
  to: bigint,
  expected: string,
): Violation | undefined {
  const isTime = expected === A_TIME;
  const fits = seconds >= from && seconds <= to && Math.abs(nanos) < 1e9;
  const hasSign = isTime ? nanos >= 0 : nanos === 0 || seconds === 0n || nanos > 0 === seconds > 0n;
  if (fits && hasSign) return undefined;
  return { path, problem: `seconds ${seconds} and nanos ${nanos} are not allowed`, expected };
}

function firstOf<T>(items: Iterable<T>, find: (item: T) => Violation | undefined): Violation | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
