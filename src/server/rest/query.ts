import { type DescField, type DescMessage, type JsonObject, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { fieldOf } from "./fields.ts";
import { parseJson } from "./json.ts";
import { below, invalid } from "./problem.ts";
import { isFreeJson, isWellKnown } from "./well-known.ts";

/**
 * Converts query parameters to JSON: `names=a&names=b` for a list, `context.symbol=BTCZAR` for a nested field, JSON text
 * for a message. Throws ARGUMENT_INVALID with the parameter.
 */
export function readQuery(desc: DescMessage, query: URLSearchParams): JsonObject {
  const read: JsonObject = {};
  const values = new Map<string, string[]>();
  for (const [key, value] of query) {
    const before = values.get(key);
    if (before === undefined) values.set(key, [value]);
    else before.push(value);
  }
  for (const [key, all] of values) set(desc, read, key.split("."), all, "");
  return read;
}

function set(
  desc: DescMessage,
  into: JsonObject,
  names: readonly string[],
  values: readonly string[],
  path: string,
): void {
  const [name = "", ...rest] = names;
  const field = fieldOf(desc, name, path);
  const at = below(path, field.name);
  if (rest.length === 0) {
    if (Object.hasOwn(into, field.name)) throw invalid(at, "is given twice");
    into[field.name] = readValues(field, values, at);
    return;
  }
  if (field.fieldKind === "message" && isFreeJson(field.message)) {
    const inner = objectAt(into, field.name, at);
    const key = rest.join(".");
    if (values.length > 1) throw invalid(below(at, key), "is given twice");
    inner[key] = values[0] ?? "";
    return;
  }
  if (field.fieldKind !== "message" || isWellKnown(field.message)) throw invalid(at, `has no field ${rest.join(".")}`);
  set(field.message, objectAt(into, field.name, at), rest, values, at);
}

function objectAt(into: JsonObject, name: string, path: string): JsonObject {
  into[name] ??= {};
  const present = into[name];
  if (typeof present === "object" && present !== null && !Array.isArray(present)) return present;
  throw invalid(path, "is given twice");
}

function readValues(field: DescField, values: readonly string[], path: string): JsonValue {
  if (field.fieldKind === "list") return values.map((value) => readValue(field, value, path));
  const [value = ""] = values;
  if (values.length > 1) throw invalid(path, "is given twice");
  return field.fieldKind === "map" ? parseObject(value, path) : readValue(field, value, path);
}

function readValue(field: DescField, value: string, path: string): JsonValue {
  if (field.message !== undefined) {
    return isWellKnown(field.message) && !isFreeJson(field.message) ? value : parseObject(value, path);
  }
  if (field.scalar !== ScalarType.BOOL) return value;
  if (value === "true" || value === "") return true;
  if (value === "false") return false;
  throw invalid(path, `must be true or false, not ${value.slice(0, 60)}`);
}

/** curl interprets braces in a URL itself, and sends only the text between them. */
function parseObject(text: string, path: string): JsonValue {
  const isBare = /^\s*"[^"]*"\s*:/.test(text);
  return parseJson(isBare ? `{${text}}` : text, path, () => `must be JSON, not ${text.slice(0, 60)}`);
}
