import { fromJson, type JsonObject, type JsonValue, type Message, type Registry } from "@bufbuild/protobuf";
import { messageOf } from "../../core/index.ts";
import { fieldOf, readMessage } from "./fields.ts";
import { parseJson } from "./json.ts";
import { joinMasks, maskedIn, maskOf, memberOf, setMasksWithin } from "./mask.ts";
import { below, invalid } from "./problem.ts";
import { readQuery } from "./query.ts";
import type { Match, Route } from "./routes.ts";

/** The parts of a request, before they are interpreted. */
export interface Received {
  readonly query: URLSearchParams;
  /** Empty if there is no body. */
  readonly body: string;
  /** The etag that the resource must have, from a header. Undefined without such a header. */
  readonly etag?: string | undefined;
}

/**
 * Builds the request of an RPC from the path, the query, the body and If-Match. An update without `update_mask` changes the
 * fields that were sent. Throws ARGUMENT_INVALID for a field that is wrong, unknown, or given twice with different values.
 */
export function readRequest({ route, variables }: Match, received: Received, registry: Registry): Message {
  const { input } = route.rpc;
  const { json, read } = readBody(route, received.body);
  const asked = readQuery(input, received.query);
  const request = merge(read, readMessage(input, asked, "") as JsonObject, "");
  const masked = maskedIn(input);
  if (masked !== undefined && request[masked.mask.name] === undefined) {
    const { resource, mask } = masked;
    const inBody = maskOf(resource, memberOf(json, resource), route.body === "*" ? resource.name : "");
    const found = joinMasks([inBody, maskOf(resource, asked[resource.name], resource.name)]);
    if (found !== undefined) request[mask.name] = found;
  }
  setMasksWithin(input, request, json);
  for (const [field, value] of variables) setVariable(request, field.split("."), value, "");
  if (received.etag !== undefined) setEtag(request, received.etag);
  for (const name of route.trueByDefault) request[name] ??= true;
  try {
    return fromJson(input, request, { registry });
  } catch (error) {
    // The remaining errors are limits of protobuf, such as a whole number that is too large.
    throw invalid("", messageOf(error).replace(/^cannot decode (field|message) helios\.v1\./, "cannot read "));
  }
}

/** Returns the request from the body, and the JSON as it was sent. */
function readBody(
  { body, rpc, verb, path }: Route,
  text: string,
): { readonly json: JsonObject; readonly read: JsonObject } {
  if (text.trim() === "") return { json: {}, read: {} };
  if (body === undefined) throw invalid("", `${verb} ${path} takes no body`);
  const json = parseJson(text, "", (why) => `the body must be JSON: ${why}`);
  if (body === "*") {
    const read = readMessage(rpc.input, json, "") as JsonObject;
    return { json: json as JsonObject, read };
  }
  const field = fieldOf(rpc.input, body, "");
  if (field.message === undefined) throw new Error(`the body field of ${rpc.name} must be a message`);
  return { json: { [field.name]: json }, read: { [field.name]: readMessage(field.message, json, "") } };
}

function setEtag(request: JsonObject, etag: string): void {
  const present = request.etag;
  if (present !== undefined && present !== "" && present !== etag) {
    throw invalid("etag", `is ${etag} in If-Match and ${JSON.stringify(present)} elsewhere`);
  }
  request.etag = etag;
}

/** Merges two objects. A field that is in both must have the same value. */
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
