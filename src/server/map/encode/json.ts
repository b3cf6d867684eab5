import type { Output } from "./output.ts";

// Tags of the fields of google.protobuf.Value, and of an entry of a map.
const NULL = 0x08;
const NUMBER = 0x11;
const STRING = 0x1a;
const BOOL = 0x20;
const STRUCT = 0x2a;
const LIST = 0x32;
const FIELD_1 = 0x0a;
const FIELD_2 = 0x12;

/** Writes the content of a google.protobuf.Struct, given as a JSON object. Anything else is an empty object. */
export function writeStruct(out: Output, value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return;
  const members = value as Readonly<Record<string, unknown>>;
  const names = Object.keys(members);
  for (let index = names.length - 1; index >= 0; index--) {
    const name = names[index] as string;
    const before = out.size;
    writeJson(out, members[name]);
    out.varint(out.size - before);
    out.byte(FIELD_2);
    out.text(name);
    out.byte(FIELD_1);
    out.varint(out.size - before);
    out.byte(FIELD_1);
  }
}

/** Writes the content of a google.protobuf.Value, given as JSON. Other values than JSON's become one that is not set. */
export function writeJson(out: Output, value: unknown): void {
  switch (typeof value) {
    case "string":
      out.text(value);
      out.byte(STRING);
      return;
    case "number":
      out.double(value);
      out.byte(NUMBER);
      return;
    case "boolean":
      out.byte(value ? 1 : 0);
      out.byte(BOOL);
      return;
    case "object":
      if (value === null) {
        out.byte(0);
        out.byte(NULL);
        return;
      }
      writeNested(out, value);
  }
}

function writeNested(out: Output, value: object): void {
  const before = out.size;
  if (!Array.isArray(value)) {
    writeStruct(out, value);
    out.varint(out.size - before);
    out.byte(STRUCT);
    return;
  }
  for (let index = value.length - 1; index >= 0; index--) {
    const start = out.size;
    writeJson(out, value[index]);
    out.varint(out.size - start);
    out.byte(FIELD_1);
  }
  out.varint(out.size - before);
  out.byte(LIST);
}
