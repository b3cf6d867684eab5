import {
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Message,
  type Registry,
  toJson,
} from "@bufbuild/protobuf";
import { WHOLE_64 } from "../map/json.ts";
import { shortName } from "./enums.ts";
import { isWellKnown } from "./well-known.ts";

/**
 * Converts a message to the JSON of REST: fields in snake_case, singular fields always present, enums short and in lower
 * case, whole numbers as numbers if JSON can hold them exactly. Times, durations and free-form JSON are as in protobuf's
 * JSON.
 */
export function toAnswer(desc: DescMessage, message: Message, registry: Registry): JsonValue {
  const json = toJson(desc, message, { useProtoFieldName: true, alwaysEmitImplicit: true, registry });
  return shorten(desc, json);
}

function shorten(desc: DescMessage, json: JsonValue): JsonValue {
  if (isWellKnown(desc) || typeof json !== "object" || json === null || Array.isArray(json)) return json;
  const shortened: JsonObject = {};
  for (const field of desc.fields) {
    const value = json[field.name];
    if (value !== undefined && !isUnspecified(field, value)) shortened[field.name] = shortenField(field, value);
  }
  return shortened;
}

/** The value 0 of an enum stands for "not set". */
function isUnspecified({ fieldKind, enum: desc }: DescField, value: JsonValue): boolean {
  return fieldKind === "enum" && value === desc?.value[0]?.name;
}

function shortenField(field: DescField, value: JsonValue): JsonValue {
  switch (field.fieldKind) {
    case "list":
      return Array.isArray(value) ? value.map((item) => shortenOne(field, item)) : value;
    case "map":
      return Object.fromEntries(
        Object.entries(value as JsonObject).map(([key, item]) => [
          key,
          item === undefined ? null : shortenOne(field, item),
        ]),
      );
    default:
      return shortenOne(field, value);
  }
}

function shortenOne(field: DescField, value: JsonValue): JsonValue {
  if (field.message !== undefined) return shorten(field.message, value);
  if (field.enum !== undefined) return typeof value === "string" ? shortName(field.enum, value) : value;
  return field.scalar !== undefined && WHOLE_64.has(field.scalar) ? asNumber(value) : value;
}

function asNumber(value: JsonValue): JsonValue {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
