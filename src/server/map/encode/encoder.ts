import { type DescMessage, toBinary } from "@bufbuild/protobuf";
import { make } from "../message.ts";
import { answersWriter } from "../presence.ts";
import { type Fields, fieldWriters, isSupported, tagOf, type Unknown, type WriteFields } from "./fields.ts";
import { Output } from "./output.ts";

/**
 * Returns the function that encodes an answer as protobuf, behind `head` bytes (0) that the caller fills. The answer may be a
 * message or an initializer, as `create` takes it. Numbers are limited as by `make`, and the value false of the fields in
 * `ANSWERS` is written. Throws an error with the field's name if a value cannot be encoded.
 */
export function encoderOf(desc: DescMessage): Encode {
  const known = encoders.get(desc);
  if (known !== undefined) return known;
  const write = writerOf(desc);
  const encode: Encode = (init, head = 0) => {
    output.clear();
    write(output, init as Fields);
    return output.copy(head);
  };
  encoders.set(desc, encode);
  return encode;
}

type Encode = (init: object, head?: number) => Uint8Array<ArrayBuffer>;

const encoders = new Map<DescMessage, Encode>();

/** One message is written at a time. */
const output = new Output();

const writers = new Map<DescMessage, WriteFields>();

function writerOf(desc: DescMessage): WriteFields {
  const known = writers.get(desc);
  if (known !== undefined) return known;
  const parts: WriteFields[] = [];
  const write = isSupported(desc) ? partsWriter(desc, parts) : slowWriter(desc);
  // Set before the fields are visited, because a type may contain itself.
  writers.set(desc, write);
  if (isSupported(desc)) parts.push(...fieldWriters(desc, writerOf));
  return write;
}

function partsWriter({ typeName }: DescMessage, parts: readonly WriteFields[]): WriteFields {
  return (out, fields) => {
    if (fields.$unknown !== undefined && fields.$typeName === typeName) writeUnknown(out, fields.$unknown as Unknown);
    for (let index = parts.length - 1; index >= 0; index--) (parts[index] as WriteFields)(out, fields);
  };
}

function writeUnknown(out: Output, fields: Unknown): void {
  for (const { no, wireType, data } of fields.toReversed()) {
    out.bytes(data);
    out.varint(tagOf(no, wireType));
  }
}

/** For types that the contract does not use. */
function slowWriter(desc: DescMessage): WriteFields {
  return (out, fields) => {
    const message = make(desc, fields);
    answersWriter(desc)?.(message);
    out.bytes(toBinary(desc, message));
  };
}
