import { STATIC_NAMES, STATIC_VALUES } from "./static-table.ts";

/** An entry of the static table: its index, and the indices of its name with a value. */
interface Known {
  readonly index: number;
  readonly values: ReadonlyMap<string, number>;
}

/** The first byte of a field that is an entry of a table. */
const INDEXED = 0x80;
/** Bits of the index in the first byte of a literal without indexing (RFC 7541, 6.2.2). */
const LITERAL_MASK = 0x0f;
const LENGTH_MASK = 0x7f;
/** The first byte of a change of the table's size, and the bits of the size in it (RFC 7541, 6.3). */
const TABLE_SIZE = 0x20;
const TABLE_SIZE_MASK = 0x1f;
/** Bytes of a field beyond its name and value, at most: its first byte, and the lengths of two strings. */
const FIELD_OVERHEAD = 13;

const KNOWN: ReadonlyMap<string, Known> = new Map(
  STATIC_NAMES.slice(1).map((name) => [name, { index: STATIC_NAMES.indexOf(name), values: valuesOf(name) }]),
);

/**
 * Encodes fields (names and values in turn, Latin-1) without using or changing a dynamic table, so that a block does not depend
 * on the blocks before it. Nothing is compressed by Huffman codes. Throws TypeError for a name without a value, and for a
 * character beyond Latin-1.
 */
export function encodeBlock(fields: readonly string[]): Buffer {
  if (fields.length % 2 !== 0) throw new TypeError("expected names and values in turn, but the last name has no value");
  let room = 0;
  for (const text of fields) room += text.length + FIELD_OVERHEAD;
  const block = Buffer.allocUnsafe(room);
  let at = 0;
  for (let index = 0; index < fields.length; index += 2) {
    at = writeField(block, at, fields[index] as string, fields[index + 1] as string);
  }
  return block.subarray(0, at);
}

/** Encodes a change of the dynamic table's size, with which a block may begin (RFC 7541, 6.3). */
export function encodeTableSize(bytes: number): Buffer {
  const change = Buffer.alloc(FIELD_OVERHEAD);
  const end = writeInteger(change, 0, bytes, TABLE_SIZE_MASK);
  change[0] = TABLE_SIZE | (change[0] ?? 0);
  return change.subarray(0, end);
}

function writeField(block: Buffer, at: number, name: string, value: string): number {
  const known = KNOWN.get(name);
  if (known === undefined) {
    block[at] = 0;
    return writeText(block, writeText(block, at + 1, name), value);
  }
  const whole = known.values.get(value);
  if (whole !== undefined) {
    block[at] = INDEXED | whole;
    return at + 1;
  }
  return writeText(block, writeInteger(block, at, known.index, LITERAL_MASK), value);
}

function writeText(block: Buffer, at: number, text: string): number {
  const start = writeInteger(block, at, text.length, LENGTH_MASK);
  let seen = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    seen |= code;
    block[start + index] = code;
  }
  // A character that loses its upper half could become another one, such as a line break.
  if (seen > 0xff) throw new TypeError("expected Latin-1 characters in a header, but found another one");
  return start + text.length;
}

/** Writes an integer into the bits of `mask` and, if it does not fit, into further bytes (RFC 7541, 5.1). */
function writeInteger(block: Buffer, at: number, value: number, mask: number): number {
  if (value < mask) {
    block[at] = value;
    return at + 1;
  }
  block[at] = mask;
  let end = at + 1;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) {
    block[end] = rest | 0x80;
    end += 1;
  }
  block[end] = rest;
  return end + 1;
}

function valuesOf(name: string): ReadonlyMap<string, number> {
  return new Map(STATIC_VALUES.flatMap((value, index) => (STATIC_NAMES[index] === name ? [[value, index]] : [])));
}
