import { type DescMessage, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { type JsonPath, MAX_WHOLE_NUMBER, parseTime, type Violation } from "../../core/index.ts";

/** How deep messages are looked into; protobuf's JSON refuses what is nested deeper. */
const MAX_DEPTH = 100;

/**
 * What protobuf's JSON would make another value of without a word: a time that does not exist, and a whole number beyond
 * 2^53 − 1 that is not a string. Undefined: nothing; what it refuses by itself is left to it, as is free JSON.
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
      return field.scalar !== undefined && WHOLE.has(field.scalar) ? wholeViolation(one, at) : undefined;
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Of a list or a map its parts, whichever the field is: for another the value itself is wrong, which is found later. */
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
  return { path, problem: `${json} is not exact in JSON`, expected: `a number up to ${MAX_WHOLE_NUMBER}, or a string` };
}

const WHOLE: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
]);
