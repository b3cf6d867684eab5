import { type DescField, type DescMessage, type DescOneof, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { JsonValueInit } from "../json-value.ts";
import { limiterOf } from "../message.ts";
import { ANSWERS } from "../presence.ts";
import { writeJson, writeStruct } from "./json.ts";
import type { Output } from "./output.ts";
import { type Scalar, scalarOf, unencodable, type Write } from "./scalars.ts";

export type Fields = Readonly<Record<string, unknown>>;
/** Writes the content of a message, or some of its fields with their tags. */
export type WriteFields = (out: Output, fields: Fields) => void;
/** Returns how the content of a message of that type is written. */
export type WriterOf = (desc: DescMessage) => WriteFields;

/** Value of `FieldPresence` for fields whose zero value is not written. */
const IMPLICIT = 2;

/** Whether there is a writer for every field of the type. If not, protobuf's own encoder must write it. */
export function isSupported(desc: DescMessage): boolean {
  return desc.fields.every(
    (field) =>
      desc.file.edition === PROTO3 &&
      (field.fieldKind !== "map" || field.mapKey === ScalarType.STRING) &&
      (field.message !== undefined || scalarIn(field) !== undefined),
  );
}

/** Value of `Edition` for proto3. */
const PROTO3 = 999;

/** Returns the writers of the fields of a type, in the order in which they call their fields. */
export function fieldWriters(desc: DescMessage, writerOf: WriterOf): readonly WriteFields[] {
  return desc.members.map((member) =>
    member.kind === "oneof" ? oneofWriter(member, writerOf) : fieldWriter(member, writerOf),
  );
}

function oneofWriter({ localName, fields }: DescOneof, writerOf: WriterOf): WriteFields {
  const cases = new Map(fields.map((field) => [field.localName, elementWriter(field, field.number, writerOf)]));
  return (out, values) => {
    const chosen = values[localName] as { readonly case?: string; readonly value?: unknown } | undefined | null;
    if (chosen?.case === undefined) return;
    cases.get(chosen.case)?.(out, chosen.value);
  };
}

function fieldWriter(field: DescField, writerOf: WriterOf): WriteFields {
  switch (field.fieldKind) {
    case "list":
      return listWriter(field, writerOf);
    case "map":
      return mapWriter(field, writerOf);
    default:
      return singleWriter(field, elementWriter(field, field.number, writerOf));
  }
}

function singleWriter(field: DescField, write: Write): WriteFields {
  const { localName: name } = field;
  if (ANSWERS.has(field)) return answerWriter(field, write);
  if (field.presence !== IMPLICIT) {
    return (out, values) => {
      const value = values[name];
      if (value !== undefined && value !== null) write(out, value);
    };
  }
  const isZero = zeroOf(field);
  return (out, values) => {
    const value = values[name];
    if (value !== undefined && value !== null && !isZero(value)) write(out, value);
  };
}

/** False is written too, unless it is already among the unknown fields of a message. */
function answerWriter({ localName: name, number }: DescField, write: Write): WriteFields {
  return (out, values) => {
    const value = values[name] ?? false;
    const others = values.$typeName === undefined ? undefined : (values.$unknown as Unknown | undefined);
    if (value === false && others?.some(({ no }) => no === number)) return;
    write(out, value);
  };
}

export type Unknown = readonly { readonly no: number; readonly wireType: WireType; readonly data: Uint8Array }[];

/** Whether a value is left out of a message because readers assume it. Numbers and bigints are equal to their texts. */
function zeroOf({ scalar }: DescField): (value: unknown) => boolean {
  switch (scalar) {
    case ScalarType.STRING:
      return (value) => value === "";
    case ScalarType.BOOL:
      return (value) => value === false;
    case ScalarType.BYTES:
      return (value) => value instanceof Uint8Array && value.length === 0;
    case ScalarType.DOUBLE:
      // The other zero, -0, is written.
      return (value) => Object.is(value, 0);
    case undefined:
      return (value) => value === 0;
    default:
      return zeroNumber(scalar);
  }
}

/** A number that is limited to 0 is a zero too. Of the bigints, only a negative one without sign is. */
function zeroNumber(scalar: ScalarType): (value: unknown) => boolean {
  const limit = limiterOf(scalar) ?? ((value: unknown) => value);
  const limited = scalar === ScalarType.UINT64 ? "bigint" : "number";
  // biome-ignore-start lint/suspicious/noDoubleEquals: 0, 0n and "0" are the same number, as in protobuf's own encoder.
  return (value) => value == 0 || (typeof value === limited && limit(value) == 0);
  // biome-ignore-end lint/suspicious/noDoubleEquals: see above
}

function scalarIn(field: DescField): Scalar | undefined {
  const isLimited = !isOfProtobuf(field.parent) && field.enum === undefined;
  return scalarOf(field, field.scalar ?? ScalarType.INT32, isLimited);
}

/** Their numbers come from JSON, or from functions that keep them in range. So they are refused, not limited. */
const isOfProtobuf = ({ typeName }: DescMessage): boolean => typeName.startsWith("google.protobuf.");

/** Writes one value of a field with the tag of that number. */
function elementWriter(field: DescField, number: number, writerOf: WriterOf): Write {
  if (field.message !== undefined) {
    const tag = tagOf(number, WireType.LengthDelimited);
    const content = contentWriter(field, field.message, writerOf);
    return (out, value) => {
      const before = out.size;
      content(out, value);
      out.varint(out.size - before);
      out.varint(tag);
    };
  }
  const { wireType, write } = scalarIn(field) as Scalar;
  const tag = tagOf(number, wireType);
  return (out, value) => {
    write(out, value);
    out.varint(tag);
  };
}

/** Writes the content of a nested message. */
function contentWriter(field: DescField, desc: DescMessage, writerOf: WriterOf): Write {
  // The runtime represents the Struct of a field as plain JSON.
  if (desc.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value") {
    return writeStruct;
  }
  const write = writerOf(desc);
  if (desc.typeName === "google.protobuf.Value") return valueWriter(field, write);
  // It also unwraps single values outside of a oneof.
  if (field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(desc)) {
    return (out, value) => write(out, { value });
  }
  return (out, value) => {
    if (!isObject(value)) throw unencodable(field, `a ${desc.typeName}`, value);
    write(out, value);
  };
}

function valueWriter(field: DescField, write: WriteFields): Write {
  return (out, value) => {
    if (value instanceof JsonValueInit) writeJson(out, value.json);
    else if (isObject(value)) write(out, value);
    else throw unencodable(field, "a google.protobuf.Value", value);
  };
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function listWriter(field: DescField & { readonly fieldKind: "list" }, writerOf: WriterOf): WriteFields {
  const { localName: name, number, packed } = field;
  if (packed) return packedWriter(field);
  const write = elementWriter(field, number, writerOf);
  return (out, values) => {
    const items = values[name] as ArrayLike<unknown> | undefined | null;
    if (items === undefined || items === null) return;
    for (let index = items.length - 1; index >= 0; index--) write(out, items[index]);
  };
}

function packedWriter(field: DescField): WriteFields {
  const { localName: name, number } = field;
  const { write } = scalarIn(field) as Scalar;
  const tag = tagOf(number, WireType.LengthDelimited);
  return (out, values) => {
    const items = values[name] as ArrayLike<unknown> | undefined | null;
    if (items === undefined || items === null || items.length === 0) return;
    const before = out.size;
    for (let index = items.length - 1; index >= 0; index--) write(out, items[index]);
    out.varint(out.size - before);
    out.varint(tag);
  };
}

function mapWriter(field: DescField, writerOf: WriterOf): WriteFields {
  const { localName: name, number } = field;
  const write = elementWriter(field, 2, writerOf);
  const keyTag = tagOf(1, WireType.LengthDelimited);
  const tag = tagOf(number, WireType.LengthDelimited);
  return (out, values) => {
    const entries = values[name] as Fields | undefined | null;
    if (entries === undefined || entries === null) return;
    const keys = Object.keys(entries);
    for (let index = keys.length - 1; index >= 0; index--) {
      const key = keys[index] as string;
      const before = out.size;
      write(out, entries[key]);
      out.text(key);
      out.byte(keyTag);
      out.varint(out.size - before);
      out.varint(tag);
    }
  };
}

export const tagOf = (number: number, wireType: WireType): number => ((number << 3) | wireType) >>> 0;
