/** Bytes beside each part of a list or an object: `,` and `:` in JSON, a tag and a length in protobuf. */
const MARKS = 4;
/** Bytes of `true`, `null` and short whole numbers. A double has eight bytes and a tag. */
const SCALAR_BYTES = 9;
/** Characters of the longest number in JSON: a negative one with seven places before its 17 digits. */
export const LONGEST_NUMBER = 25;
/** Bytes around the parts of a list or an object. */
const AROUND = 8;

/**
 * Upper bound of the bytes of a text in JSON (where `\u0001` has six) or in UTF-8, including its quotes or its tag and
 * length.
 */
export function textSize(text: string): number {
  return (PLAIN.test(text) ? text.length : escapedSize(text)) + 6;
}

const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function escapedSize(text: string): number {
  let size = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x20) size += 6;
    else if (unit === 0x22 || unit === 0x5c) size += 2;
    else if (unit < 0x80) size += 1;
    else if (unit < 0x800) size += 2;
    else if (unit < 0xd800 || unit > 0xdfff) size += 3;
    else if (unit < 0xdc00 && isLow(text.charCodeAt(at + 1))) {
      size += 4;
      at += 1;
    } else size += 6;
  }
  return size;
}

const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/**
 * Upper bound of the bytes of a JSON value when it is sent as JSON or as google.protobuf.Value, in which every number has
 * eleven. Pure, and linear in the size of the value. Members that are undefined do not count.
 */
export function encodedSize(value: unknown): number {
  switch (typeof value) {
    case "string":
      return textSize(value);
    case "number":
      return Number.isInteger(value) && Math.abs(value) < 1e8 ? SCALAR_BYTES : LONGEST_NUMBER;
    case "object":
      return value === null ? SCALAR_BYTES : sizeOfParts(value);
    case "undefined":
    case "function":
    case "symbol":
      return 0;
    default:
      return LONGEST_NUMBER;
  }
}

function sizeOfParts(value: object): number {
  let size = AROUND;
  if (Array.isArray(value)) {
    for (const one of value) size += encodedSize(one) + MARKS;
    return size;
  }
  for (const key in value) {
    const one = (value as Readonly<Record<string, unknown>>)[key];
    if (one !== undefined) size += textSize(key) + encodedSize(one) + MARKS;
  }
  return size;
}

const known = new WeakMap<object, number>();

/** `encodedSize` of an object that never changes. It is measured only once. */
export function knownSize(value: object): number {
  const before = known.get(value);
  if (before !== undefined) return before;
  const size = encodedSize(value);
  known.set(value, size);
  return size;
}
