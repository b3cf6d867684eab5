import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import { MAX_WHOLE_NUMBER, nearest, parseTime } from "../../core/index.ts";
import { shortNames, wholeName } from "./enums.ts";
import { below, invalid } from "./problem.ts";
import { camelCase } from "./spelling.ts";
import { isFreeJson, isWellKnown } from "./well-known.ts";

/** Nesting of the messages in a request's JSON; a deeper one is refused with `ARGUMENT_INVALID`. @limit levels */
const MAX_DEPTH = 100;

/** Finds a field by its name in snake_case or camelCase. Throws ARGUMENT_INVALID with the most similar known name. */
export function fieldOf(desc: DescMessage, name: string, path: string): DescField {
  const found = desc.fields.find((field) => field.name === name || field.jsonName === name);
  if (found !== undefined) return found;
  const names = desc.fields.map((field) => field.name);
  const near = nearest(name, names);
  const known = names.length === 0 ? "it takes no fields" : `it takes ${names.join(", ")}`;
  throw invalid(below(path, name), `is not known; ${near === undefined ? known : `did you mean ${near}?`}`);
}

/** Converts a caller's JSON to protobuf's JSON. Throws ARGUMENT_INVALID with the place and what was expected. */
export function readMessage(desc: DescMessage, json: JsonValue, path: string, depth = 0): JsonValue {
  if (depth > MAX_DEPTH) throw invalid(path, `is nested deeper than ${MAX_DEPTH}`);
  if (isWellKnown(desc)) return readWellKnown(desc, json, path);
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalid(path, `must be an object, not ${describe(json)}`);
  }
  const read: JsonObject = {};
  for (const [key, value] of Object.entries(json)) {
    const field = fieldOf(desc, key, path);
    const at = below(path, field.name);
    if (Object.hasOwn(read, field.name)) throw invalid(at, "is given twice");
    // As in protobuf's JSON, null means "not set", except in free-form JSON, where it is a value.
    if (value === undefined || (value === null && !takesNull(field))) continue;
    read[field.name] = readField(field, value, at, depth);
  }
  return read;
}

function takesNull({ message, fieldKind }: DescField): boolean {
  return fieldKind === "message" && message.typeName === "google.protobuf.Value";
}

function readField(field: DescField, json: JsonValue, path: string, depth: number): JsonValue {
  switch (field.fieldKind) {
    case "list":
      if (!Array.isArray(json)) throw invalid(path, `must be a list, not ${describe(json)}`);
      return json.map((item, index) => readOne(field, item, `${path}[${index}]`, depth));
    case "map": {
      if (typeof json !== "object" || json === null || Array.isArray(json)) {
        throw invalid(path, `must be an object, not ${describe(json)}`);
      }
      const entries = Object.entries(json).map(([key, item]) => [
        key,
        readOne(field, item ?? null, below(path, key), depth),
      ]);
      return Object.fromEntries(entries) as JsonObject;
    }
    default:
      return readOne(field, json, path, depth);
  }
}

function readOne(field: DescField, json: JsonValue, path: string, depth: number): JsonValue {
  if (field.message !== undefined) return readMessage(field.message, json, path, depth + 1);
  if (field.enum !== undefined) return readEnum(field.enum, json, path);
  return field.scalar === undefined ? json : readScalar(field.scalar, json, path);
}

function readEnum(desc: DescEnum, json: JsonValue, path: string): JsonValue {
  const found = typeof json === "string" ? wholeName(desc, json) : undefined;
  if (found !== undefined) return found;
  throw invalid(path, `must be one of ${shortNames(desc).join(", ")}, not ${describe(json)}`);
}

function readScalar(type: ScalarType, json: JsonValue, path: string): JsonValue {
  const [what, fits] = expectation(type);
  if (!fits(json)) throw invalid(path, `must be ${what}, not ${describe(json)}`);
  const isWhole = type !== ScalarType.DOUBLE && type !== ScalarType.FLOAT;
  if (isWhole && typeof json === "number" && !Number.isSafeInteger(json)) {
    throw invalid(
      path,
      `is beyond ${MAX_WHOLE_NUMBER}, the largest whole number that JSON numbers hold exactly; write it as a string`,
    );
  }
  return json;
}

function expectation(type: ScalarType): readonly [what: string, fits: (json: JsonValue) => boolean] {
  switch (type) {
    case ScalarType.STRING:
      return ["a string", isString];
    case ScalarType.BYTES:
      return ["bytes in base64", (json) => isString(json) && /^[A-Za-z0-9+/_-]*={0,2}$/.test(json)];
    case ScalarType.BOOL:
      return ["true or false", (json) => typeof json === "boolean"];
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return [
        "a number",
        (json) => typeof json === "number" || (isString(json) && json.trim() !== "" && !Number.isNaN(Number(json))),
      ];
    default:
      return [
        "a whole number",
        (json) => (typeof json === "number" ? Number.isInteger(json) : isString(json) && /^-?\d{1,20}$/.test(json)),
      ];
  }
}

const isString = (json: JsonValue): json is string => typeof json === "string";

function readWellKnown(desc: DescMessage, json: JsonValue, path: string): JsonValue {
  if (isFreeJson(desc)) {
    const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
    if (desc.typeName === "google.protobuf.Struct" && !isObject)
      throw invalid(path, `must be an object, not ${describe(json)}`);
    return json;
  }
  const form = FORMS[desc.typeName];
  if (form === undefined) return json;
  if (isString(json) && form.fits(json)) return form.write?.(json) ?? json;
  throw invalid(path, `must be ${form.what}, not ${describe(json)}`);
}

interface Form {
  readonly what: string;
  readonly fits: (text: string) => boolean;
  /** Converts the text to protobuf's JSON. */
  readonly write?: (text: string) => string;
}

/** The special JSON forms of the message types that the contract uses. */
const FORMS: Readonly<Record<string, Form>> = {
  "google.protobuf.Timestamp": {
    what: "a time such as 2026-01-31T12:00:00Z",
    fits: (text) => parseTime(text) !== undefined,
    write: (text) => text.toUpperCase(),
  },
  "google.protobuf.Duration": {
    what: "a duration in seconds such as 1.5s",
    fits: (text) => /^-?\d{1,12}(\.\d{1,9})?s$/.test(text),
  },
  "google.protobuf.FieldMask": {
    what: "field names with commas between them",
    fits: (text) => /^[A-Za-z0-9_.,]*$/.test(text),
    write: camelCase,
  },
};

function describe(json: JsonValue): string {
  const text = JSON.stringify(json) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
