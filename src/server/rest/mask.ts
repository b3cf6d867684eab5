import type { DescField, DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { fieldOf } from "./fields.ts";
import { camelCase } from "./spelling.ts";
import { isWellKnown } from "./well-known.ts";

/** An update mask and its resource: two fields of one request. */
export interface Masked {
  readonly mask: DescField;
  readonly resource: DescField;
}

/** Undefined if the message has no `update_mask`. */
export function maskedIn({ fields }: DescMessage): Masked | undefined {
  const mask = fields.find(({ name }) => name === "update_mask");
  const resource = fields.find(({ fieldKind, message }) => fieldKind === "message" && !isWellKnown(message));
  return mask === undefined || resource === undefined ? undefined : { mask, resource };
}

/** The name and the etag identify the resource and its state. An update does not change them. */
const NOT_CHANGED: ReadonlySet<string> = new Set(["name", "etag"]);

/**
 * Returns the mask of an update without one: the fields in the sender's JSON. A field that is null is included, and is
 * cleared. `written` is the resource as it was sent, in any spelling.
 */
export function maskOf({ message }: DescField, written: JsonValue | undefined, path: string): string | undefined {
  if (message === undefined || typeof written !== "object" || written === null || Array.isArray(written))
    return undefined;
  const names = Object.keys(written).map((key) => fieldOf(message, key, path));
  const changed = names.filter(({ name }) => !NOT_CHANGED.has(name));
  return changed.length === 0 ? undefined : changed.map(({ name }) => camelCase(name)).join(",");
}

/** Joins masks: a field in any of them is changed. */
export function joinMasks(masks: readonly (string | undefined)[]): string | undefined {
  const paths = new Set(masks.flatMap((mask) => mask?.split(",") ?? []));
  return paths.size === 0 ? undefined : [...paths].join(",");
}

/** Sets the masks of updates in a list, as in a batch request: each update without a mask gets its own. */
export function setMasksWithin({ fields }: DescMessage, request: JsonObject, written: JsonValue): void {
  for (const field of fields) {
    const masked = field.fieldKind === "list" && field.message !== undefined ? maskedIn(field.message) : undefined;
    const [updates, sent] = [request[field.name], memberOf(written, field)];
    if (masked === undefined || !Array.isArray(updates) || !Array.isArray(sent)) continue;
    const { resource, mask } = masked;
    for (const [index, update] of (updates as JsonObject[]).entries()) {
      if (update[mask.name] !== undefined) continue;
      const path = `${field.name}[${index}].${resource.name}`;
      const found = maskOf(resource, memberOf(sent[index] ?? null, resource), path);
      if (found !== undefined) update[mask.name] = found;
    }
  }
}

/** Returns a field of JSON that may be any value. */
export function memberOf(json: JsonValue, { name, jsonName }: DescField): JsonValue | undefined {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  const members: JsonObject = json;
  return Object.hasOwn(members, name) ? members[name] : members[jsonName];
}
