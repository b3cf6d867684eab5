/** Bytes of the buffer at first. It grows to the longest message. */
const FIRST_BYTES = 64 * 1024;
/** A buffer that has grown beyond this is given up after its message. */
const KEPT_BYTES = 1024 * 1024;
/** Texts up to this length are written without a call out of JavaScript, which costs more than the loop. */
const SHORT = 48;

/**
 * Writes protobuf from its end to its start: first the last value of a message, and each value before its tag. So the
 * length of a value is known when it has to be written, and nothing is moved or measured first.
 */
export class Output {
  #bytes = new Uint8Array(FIRST_BYTES);
  /** The same memory. Only Node's own type writes texts into it. */
  #texts = Buffer.from(this.#bytes.buffer);
  /** Position of the first byte that was written. */
  #at = FIRST_BYTES;

  /** Number of bytes that were written. */
  get size(): number {
    return this.#bytes.length - this.#at;
  }

  /** Forgets what was written. */
  clear(): void {
    if (this.#bytes.length > KEPT_BYTES) this.#use(new Uint8Array(FIRST_BYTES));
    this.#at = this.#bytes.length;
  }

  /** Returns a copy of what was written, behind `head` bytes that are 0. */
  copy(head: number): Uint8Array<ArrayBuffer> {
    if (this.#at < head) this.#grow(head);
    const from = this.#at - head;
    this.#bytes.fill(0, from, this.#at);
    return this.#bytes.slice(from);
  }

  /** Writes a byte, such as the tag of one of the first 15 fields. */
  byte(value: number): void {
    if (this.#at < 1) this.#grow(1);
    this.#bytes[--this.#at] = value;
  }

  bytes(values: Uint8Array): void {
    const { length } = values;
    if (this.#at < length) this.#grow(length);
    this.#at -= length;
    this.#bytes.set(values, this.#at);
  }

  /** Writes a whole number from 0 to 2^32 - 1. */
  varint(value: number): void {
    if (value < 0x80) {
      this.byte(value);
      return;
    }
    if (this.#at < 5) this.#grow(5);
    const bytes = this.#bytes;
    const length = value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
    let at = this.#at - length;
    this.#at = at;
    let rest = value;
    while (rest > 0x7f) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at] = rest;
  }

  /** Writes the 64 bits of a number, given as two halves without sign. */
  varint64(low: number, high: number): void {
    if (high === 0) {
      this.varint(low);
      return;
    }
    if (this.#at < 10) this.#grow(10);
    const bytes = this.#bytes;
    let rest = high >>> 3;
    let length = 5;
    for (let more = rest; more > 0; more >>>= 7) length++;
    let at = this.#at - length;
    this.#at = at;
    bytes[at++] = low | 0x80;
    bytes[at++] = (low >>> 7) | 0x80;
    bytes[at++] = (low >>> 14) | 0x80;
    bytes[at++] = (low >>> 21) | 0x80;
    const middle = (low >>> 28) | ((high & 7) << 4);
    bytes[at++] = rest === 0 ? middle : middle | 0x80;
    while (rest > 0) {
      bytes[at++] = rest > 0x7f ? rest | 0x80 : rest;
      rest >>>= 7;
    }
  }

  /** Writes a text as UTF-8, and its length. A half of a surrogate pair becomes U+FFFD. */
  text(value: string): void {
    const { length } = value;
    if (length > SHORT || !this.#ascii(value, length)) {
      const size = Buffer.byteLength(value);
      if (this.#at < size) this.#grow(size);
      this.#at -= size;
      this.#texts.write(value, this.#at, size, "utf8");
      this.varint(size);
      return;
    }
    this.byte(length);
  }

  /** Returns false, and writes nothing, if the text is not ASCII. */
  #ascii(value: string, length: number): boolean {
    if (this.#at < length) this.#grow(length);
    const bytes = this.#bytes;
    const from = this.#at - length;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[from + index] = code;
    }
    this.#at = from;
    return true;
  }

  /** Writes a double, in 8 bytes. */
  double(value: number): void {
    if (this.#at < 8) this.#grow(8);
    this.#at -= 8;
    this.#texts.writeDoubleLE(value, this.#at);
  }

  #grow(more: number): void {
    const { size } = this;
    const bytes = new Uint8Array(Math.max(this.#bytes.length * 2, size + more));
    this.#at = bytes.length - size;
    bytes.set(this.#bytes.subarray(this.#bytes.length - size), this.#at);
    this.#use(bytes);
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#texts = Buffer.from(bytes.buffer);
  }
}
