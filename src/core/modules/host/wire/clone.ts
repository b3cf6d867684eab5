import { deserialize, serialize } from "node:v8";
import { isJson } from "../values/json.ts";
import { isWide } from "../values/wide.ts";
import { MAX_DEPTH } from "./depth.ts";

// JSON values with wide objects travel as structured clones, because JSON.parse is several times slower for such objects. A
// module could send a clone of a few bytes that stands for a list of 2^32 items. So the service first reads the bytes itself,
// and accepts only what JSON has. Each part of such a clone takes at least a byte, and so it costs no more than text does.
//
// The format is that of V8's ValueSerializer (v8/src/objects/value-serializer.cc), of the version that this Node writes.

/** Most bytes of a clone. Larger values travel as text, whose size in bytes is that of the limits. */
const LARGEST_CLONE = 512 * 1024;

/**
 * Returns the clone of a value for which that is the faster form, and the same as its JSON text. Undefined: the value travels
 * as text. `isKnown`: the value is known to be JSON.
 */
export function cloneOf(json: unknown, isKnown: boolean): Uint8Array | undefined {
  try {
    if (!isWide(json) || !(isKnown || isJson(json))) return undefined;
    const bytes = serialize(json);
    // It refuses what is not the same in a clone, such as one object in two places.
    refuseOther(bytes);
    return bytes;
  } catch {
    return undefined;
  }
}

/** Returns the value of a clone. Bytes of a module must pass `refuseOther` first. */
export function valueOfClone(bytes: Uint8Array): unknown {
  return deserialize(bytes);
}

/** The head of everything that this Node serializes: a tag, and the version of the format. */
const HEAD = serialize(null).subarray(0, 2);

const TAG = {
  PADDING: 0x00,
  NULL: 0x30,
  TRUE: 0x54,
  FALSE: 0x46,
  INT32: 0x49,
  DOUBLE: 0x4e,
  ONE_BYTE_STRING: 0x22,
  TWO_BYTE_STRING: 0x63,
  OBJECT: 0x6f,
  END_OBJECT: 0x7b,
  DENSE_LIST: 0x41,
  END_DENSE_LIST: 0x24,
} as const;

/**
 * Throws a RangeError unless the bytes are the clone of a JSON value. Refuses what JSON text does not have (-0, half a
 * character in a name, one object in two places), and indexes as names: for one large index, V8 would make room for a
 * thousand.
 */
export function refuseOther(bytes: Uint8Array): void {
  if (bytes.length > LARGEST_CLONE || bytes[0] !== HEAD[0] || bytes[1] !== HEAD[1]) throw notJson(0);
  const reader = new CloneReader(bytes, HEAD.length);
  reader.value(0);
  if (reader.at !== bytes.length) throw notJson(reader.at);
}

const notJson = (at: number): RangeError => new RangeError(`it is not the clone of a JSON value, at byte ${at}`);

/** Reads a clone without making anything of it. Beyond the end it reads undefined, which is no tag. */
class CloneReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  value(depth: number): void {
    const tag = this.#tag();
    switch (tag) {
      case TAG.NULL:
      case TAG.TRUE:
      case TAG.FALSE:
        return;
      case TAG.INT32:
        this.#number();
        return;
      case TAG.DOUBLE:
        this.#double();
        return;
      case TAG.ONE_BYTE_STRING:
      case TAG.TWO_BYTE_STRING:
        this.#text(tag);
        return;
      case TAG.OBJECT:
        this.#object(depth);
        return;
      case TAG.DENSE_LIST:
        this.#list(depth);
        return;
      default:
        throw notJson(this.at);
    }
  }

  #object(depth: number): void {
    if (depth >= MAX_DEPTH) throw new RangeError(`it is nested deeper than ${MAX_DEPTH} levels`);
    for (let count = this.#plainMembers(); ; count += 1) {
      const tag = this.#tag();
      if (tag === TAG.END_OBJECT) {
        if (this.#number() !== count) throw notJson(this.at);
        return;
      }
      if (tag !== TAG.ONE_BYTE_STRING && tag !== TAG.TWO_BYTE_STRING) throw notJson(this.at);
      const start = this.#text(tag);
      if (this.at > start && isDigit(this.#bytes[start]) && this.#isIndex(tag, start)) throw notJson(start);
      if (tag === TAG.TWO_BYTE_STRING && !this.#isWhole(start)) throw notJson(start);
      this.value(depth + 1);
    }
  }

  /**
   * Reads the members before the first one that is not simple, and returns their number. Nearly all members of wide objects
   * are simple: a short name of one-byte characters that begins with no digit, and a number.
   */
  #plainMembers(): number {
    const bytes = this.#bytes;
    let at = this.at;
    for (let count = 0; ; count += 1) {
      const size = bytes[at + 1] ?? OVER;
      const value = at + 2 + size;
      const isNamed = bytes[at] === TAG.ONE_BYTE_STRING && size < 0x80 && size > 0 && !isDigit(bytes[at + 2]);
      if (isNamed && bytes[value] === TAG.INT32 && (bytes[value + 1] ?? OVER) < 0x80) at = value + 2;
      else if (isNamed && bytes[value] === TAG.DOUBLE && this.#isNumber(value + 1)) at = value + 9;
      else {
        this.at = at;
        return count;
      }
    }
  }

  #list(depth: number): void {
    if (depth >= MAX_DEPTH) throw new RangeError(`it is nested deeper than ${MAX_DEPTH} levels`);
    const length = this.#number();
    // Each item takes a byte, so that a list is never longer than what is left.
    if (length > this.#bytes.length - this.at) throw notJson(this.at);
    for (let index = 0; index < length; index += 1) this.value(depth + 1);
    const isEnd = this.#tag() === TAG.END_DENSE_LIST && this.#number() === 0 && this.#number() === length;
    if (!isEnd) throw notJson(this.at);
  }

  #tag(): number | undefined {
    let tag = this.#bytes[this.at++];
    while (tag === TAG.PADDING) tag = this.#bytes[this.at++];
    return tag;
  }

  /** Reads a number of up to 32 bits in groups of seven, the lowest first. */
  #number(): number {
    let byte = this.#bytes[this.at++] ?? OVER;
    if (byte < 0x80) return byte;
    let number = byte & 0x7f;
    for (let factor = 0x80; factor <= 0x1000_0000; factor *= 0x80) {
      byte = this.#bytes[this.at++] ?? OVER;
      number += (byte & 0x7f) * factor;
      if (byte < 0x80) return number;
    }
    throw notJson(this.at);
  }

  #double(): void {
    if (!this.#isNumber(this.at)) throw notJson(this.at);
    this.at += 8;
  }

  /** Whether there is a double that JSON has. */
  #isNumber(at: number): boolean {
    if (at + 8 > this.#bytes.length) return false;
    const number = this.#view.getFloat64(at, true);
    return Number.isFinite(number) && !(number === 0 && Object.is(number, -0));
  }

  /** Returns where the text begins. */
  #text(tag: typeof TAG.ONE_BYTE_STRING | typeof TAG.TWO_BYTE_STRING): number {
    const size = this.#number();
    const start = this.at;
    this.at += size;
    if (this.at > this.#bytes.length || (tag === TAG.TWO_BYTE_STRING && size % 2 === 1)) throw notJson(start);
    return start;
  }

  /** Whether the text of two-byte characters before the present place has no half of a character. */
  #isWhole(start: number): boolean {
    const { buffer, byteOffset } = this.#bytes;
    return Buffer.from(buffer, byteOffset + start, this.at - start)
      .toString("utf16le")
      .isWellFormed();
  }

  /** Whether the text before the present place has only digits. */
  #isIndex(tag: number, start: number): boolean {
    const isWide = tag === TAG.TWO_BYTE_STRING;
    for (let at = start; at < this.at; at += isWide ? 2 : 1) {
      if (!isDigit(this.#bytes[at]) || (isWide && this.#bytes[at + 1] !== 0)) return false;
    }
    return true;
  }
}

/** In place of a byte that is not there: it never ends a number. */
const OVER = 0xff;

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
