import { HpackError } from "./error.ts";
import { decodeHuffman } from "./huffman.ts";

/** Largest integer that is accepted. Lengths and indices are far smaller. */
const LARGEST_INTEGER = 2 ** 31;
/** Bytes of an integer after its prefix: five hold 35 bits. */
const CONTINUATIONS = 5;
const HUFFMAN = 0x80;
/** A shorter string is copied byte by byte, which is faster than a call into the runtime. */
const SHORT = 48;

/** A position in a header block. The strings that it has read are in `text`, one after the other. */
export class BlockReader {
  readonly block: Uint8Array;
  readonly text: Buffer;
  /** Position in the block. */
  at = 0;
  /** End of the strings in `text`. */
  textEnd = 0;

  /** `text` must have room for the decoded strings of the block: `textBytes(block)`. */
  constructor(block: Uint8Array, text: Buffer) {
    this.block = block;
    this.text = text;
  }

  /** Reads an integer whose first byte has the bits of `mask` for it (RFC 7541, 5.1). The block must have a byte left. */
  integer(mask: number): number {
    const prefix = (this.block[this.at] as number) & mask;
    this.at += 1;
    return prefix < mask ? prefix : this.#longInteger(mask);
  }

  #longInteger(mask: number): number {
    let value = mask;
    let weight = 1;
    for (let read = 0; read < CONTINUATIONS; read += 1) {
      const byte = this.block[this.at];
      if (byte === undefined) throw new HpackError("it ends within an integer");
      this.at += 1;
      value += (byte & 0x7f) * weight;
      weight *= 0x80;
      if (value > LARGEST_INTEGER) break;
      if (byte < 0x80) return value;
    }
    throw new HpackError(`an integer exceeds ${LARGEST_INTEGER} or has more than ${CONTINUATIONS} further bytes`);
  }

  /** Reads a string (RFC 7541, 5.2) and appends it to `text`. */
  string(): void {
    const first = this.block[this.at];
    if (first === undefined) throw new HpackError("it ends before a string");
    const length = this.integer(0x7f);
    const from = this.at;
    const to = from + length;
    if (to > this.block.length) {
      throw new HpackError(`a string has ${length} bytes, but ${this.block.length - from} bytes are left`);
    }
    this.at = to;
    if ((first & HUFFMAN) === 0) this.#copy(from, to);
    else {
      const end = decodeHuffman(this.block, from, to, this.text, this.textEnd);
      if (end < 0) throw new HpackError("a Huffman code contains EOS, or its padding is not up to 7 ones");
      this.textEnd = end;
    }
  }

  #copy(from: number, to: number): void {
    const { block, text } = this;
    let end = this.textEnd;
    if (to - from > SHORT) text.set(block.subarray(from, to), end);
    else for (let index = from; index < to; index += 1) text[end++] = block[index] as number;
    this.textEnd += to - from;
  }
}

/** Bytes that the strings of a block have at most when they are decoded. The shortest Huffman code has five bits. */
export function textBytes(block: Uint8Array): number {
  return Math.ceil((block.length * 8) / 5) + 2;
}
