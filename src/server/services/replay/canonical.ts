import { createHash } from "node:crypto";
import { create, type DescField, type DescMessage, type DescMethod, type Message, toBinary } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";

/** Returns a hash of what a request asks for. Requests with the same meaning have the same hash. */
export function digestOf({ parent, name, input }: DescMethod, request: Message): string {
  const hash = createHash("sha256").update(`${parent.typeName}/${name}\n`);
  return hash.update(canonical(input, request)).digest("hex");
}

/**
 * Encodes a message so that equal meanings have equal bytes. Entries of maps (also in a Struct) are sorted by key. Paths of
 * masks are sorted and unique. Request ids are in lower case, and zero has no sign. Unknown fields are included as they
 * came.
 */
export function canonical(schema: DescMessage, message: Message): Uint8Array {
  return toBinary(schema, rewritten(reflect(schema, message)).message as Message);
}

function rewritten(source: ReflectMessage): ReflectMessage {
  const target = reflect(source.desc, create(source.desc));
  for (const field of source.fields) {
    if (!source.isSet(field)) continue;
    if (field.fieldKind === "message") {
      target.set(field, rewritten(source.get(field)));
    } else if (field.fieldKind === "list") {
      const list = target.get(field);
      const items = [...source.get(field)];
      const asked = source.desc.typeName === FieldMaskSchema.typeName ? [...new Set(items)].sort(byCodeUnit) : items;
      for (const item of asked) list.add(element(field, item));
    } else if (field.fieldKind === "map") {
      const map = target.get(field);
      const entries = [...source.get(field)].sort(([a], [b]) => byCodeUnit(a, b));
      for (const [key, value] of entries) map.set(key, element(field, value));
    } else {
      target.set(field, scalar(field, source.get(field)));
    }
  }
  const unknown = source.getUnknown();
  // The order of unknown fields with the same number matters, and stays.
  if (unknown !== undefined && unknown.length > 0) target.setUnknown([...unknown].sort((a, b) => a.no - b.no));
  return target;
}

const element = (field: DescField, value: unknown): unknown =>
  field.message === undefined ? positive(value) : rewritten(value as ReflectMessage);

const scalar = (field: DescField, value: unknown): unknown =>
  field.name === "request_id" && typeof value === "string" ? value.toLowerCase() : positive(value);

const positive = (value: unknown): unknown => (value === 0 ? 0 : value);

/** Compares in the same way on every machine. */
function byCodeUnit(one: unknown, other: unknown): number {
  const [a, b] = [String(one), String(other)];
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
