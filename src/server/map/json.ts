import { type DescMessage, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { type JsonPath, MAX_WHOLE_NUMBER, parseTime, type Violation } from "../../core/index.ts";

/** Nesting of messages that is checked. protobuf's JSON parser refuses deeper messages. */
const MAX_DEPTH = 100;

/**
 * Returns the first part that protobuf's JSON parser would silently change: a time that does not exist, or a whole number
 * beyond 2^53 − 1 that is not a string. Undefined if there is none. Free-form JSON, and errors that the parser itself
 * reports, are not checked.
 */
export function jsonViolation(desc: DescMessage, json: JsonValue, path: JsonPath = []): Violation | undefined {
  if (desc.typeName === "google.protobuf.Timestamp") return timeViolation(json, path);
  if (desc.typeName.startsWith("google.protobuf.") || path.length > MAX_DEPTH) return undefined;
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  for (const [key, value] of Object.entries(json)) {
    const field = desc.fields.find(({ name, jsonName }) => name === key || jsonName === key);
    if (field === undefined || value === undefined) continue;
    const found = firstIn(value, [...path, field.name], (one, at) => {
      if (field.message !== undefined) return jsonViolation(field.message, one, at);
      return field.scalar !== undefined && WHOLE_64.has(field.scalar) ? wholeViolation(one, at) : undefined;
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Checks the elements of a list or a map. For another type of field, the value itself is wrong, which is reported later.
 */
function firstIn(
  value: JsonValue,
  path: JsonPath,
  look: (one: JsonValue, path: JsonPath) => Violation | undefined,
): Violation | undefined {
  if (!Array.isArray(value)) return look(value, path);
  for (const [index, one] of value.entries()) {
    const found = look(one, [...path, index]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function timeViolation(json: JsonValue, path: JsonPath): Violation | undefined {
  if (typeof json !== "string" || parseTime(json) !== undefined) return undefined;
  return {
    path,
    problem: `${JSON.stringify(json.slice(0, 60))} is not allowed`,
    expected: "a time that exists, such as 2026-01-31T12:00:00Z",
  };
}

function wholeViolation(json: JsonValue, path: JsonPath): Violation | undefined {
  if (typeof json !== "number" || !Number.isInteger(json) || Number.isSafeInteger(json)) return undefined;
  return {
    path,
    problem: `${json} cannot be read exactly from JSON`,
    expected: `a number up to ${MAX_WHOLE_NUMBER}, or a string`,
  };
}

/** The types of whole numbers of 64 bits. JSON cannot hold all of them as numbers. */
export const WHOLE_64: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
]);
