import { fromJson, type JsonObject, type JsonValue, type Message, type Registry } from "@bufbuild/protobuf";
import { messageOf } from "../../core/index.ts";
import { fieldOf, readMessage } from "./fields.ts";
import { below, invalid } from "./problem.ts";
import { readQuery } from "./query.ts";
import type { Match, Route } from "./routes.ts";

/** What a caller sent, before it is known what it says. */
export interface Received {
  readonly query: URLSearchParams;
  /** Empty: there was none. */
  readonly body: string;
}

/**
 * The request of the RPC, put together from path, query and body. ARGUMENT_INVALID says which field is wrong, which is
 * not known, and which is given twice with different values.
 */
export function readRequest({ route, variables }: Match, { query, body }: Received, registry: Registry): Message {
  const { input } = route.rpc;
  const fromBody = readBody(route, body);
  const fromQuery = readMessage(input, readQuery(input, query), "") as JsonObject;
  const request = merge(fromBody, fromQuery, "");
  for (const [field, value] of variables) setVariable(request, field.split("."), value, "");
  for (const name of route.trueByDefault) request[name] ??= true;
  try {
    return fromJson(input, request, { registry });
  } catch (error) {
    // What is left are limits of protobuf's own, such as a year or a whole number that is too large.
    throw invalid("", messageOf(error).replace(/^cannot decode (field|message) helios\.v1\./, "cannot read "));
  }
}

function readBody({ body, rpc, verb, path }: Route, text: string): JsonObject {
  if (text.trim() === "") return {};
  if (body === undefined) throw invalid("", `${verb} ${path} takes no body`);
  const json = parse(text);
  if (body === "*") return readMessage(rpc.input, json, "") as JsonObject;
  const field = fieldOf(rpc.input, body, "");
  if (field.message === undefined) throw new Error(`the body of ${rpc.name} is a message`);
  return { [field.name]: readMessage(field.message, json, "") };
}

function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw invalid("", `the body must be JSON: ${messageOf(error)}`);
  }
}

/** What is in both must be the same. */
function merge(one: JsonObject, other: JsonObject, path: string): JsonObject {
  const merged = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const present = Object.hasOwn(merged, key) ? merged[key] : undefined;
    const at = below(path, key);
    if (present === undefined || value === undefined) merged[key] = value;
    else if (isObject(present) && isObject(value)) merged[key] = merge(present, value, at);
    else if (JSON.stringify(present) !== JSON.stringify(value))
      throw invalid(at, "is given twice, in the query and in the body");
  }
  return merged;
}

function setVariable(into: JsonObject, names: readonly string[], value: string, path: string): void {
  const [name = "", ...rest] = names;
  const at = below(path, name);
  const present = into[name];
  if (rest.length > 0) {
    const inner = isObject(present) ? present : {};
    into[name] = inner;
    setVariable(inner, rest, value, at);
  } else if (present !== undefined && present !== value) {
    throw invalid(at, `is ${value} in the path and ${JSON.stringify(present)} elsewhere`);
  } else into[name] = value;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
