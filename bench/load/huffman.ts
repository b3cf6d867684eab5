/** Lengths in bits of the codes of all bytes (RFC 7541, appendix B). Codes of one length rise with their bytes. */
const LENGTHS: readonly number[] = [
  [13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  [28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  [6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  [5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  [13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  [7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  [15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  [6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  [20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  [24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  [22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  [21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  [26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  [19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  [20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  [26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
].flat();

/** Bytes by their code: `length * 2 ** 30 + code`. */
const BYTES = new Map<number, number>();
let code = 0;
for (let length = 1; length <= 30; length += 1) {
  for (const [byte, own] of LENGTHS.entries()) {
    if (own !== length) continue;
    BYTES.set(length * 2 ** 30 + code, byte);
    code += 1;
  }
  code *= 2;
}

/** Decodes text of HTTP/2 headers. Throws for a code that no byte has. */
export function huffmanText(bytes: Uint8Array, start: number, end: number): string {
  let [text, code, length] = ["", 0, 0];
  for (let at = start; at < end; at += 1) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      code = code * 2 + (((bytes[at] ?? 0) >> bit) & 1);
      length += 1;
      const byte = BYTES.get(length * 2 ** 30 + code);
      if (byte === undefined) continue;
      text += String.fromCharCode(byte);
      [code, length] = [0, 0];
    }
  }
  // The last byte is filled with ones.
  if (length > 7 || code !== 2 ** length - 1) throw new Error("the Huffman text of a header is malformed");
  return text;
}
