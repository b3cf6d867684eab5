import { Failure, type Run } from "./budget.ts";

/** Bytes that a text, a list, a map or bytes cost beside what is in them. */
export const MADE_OVERHEAD = 16;
/** Bytes of one UTF-16 code unit of a text that is made. */
export const TEXT_UNIT_BYTES = 2;

/** Up to here the platform's own search is fast, whatever the texts. */
const SHORT_NEEDLE = 8;
const SMALL_SEARCH = 65_536;

/** A text that the expression made. */
export function made(text: string, run: Run): string {
  run.make(MADE_OVERHEAD + text.length * TEXT_UNIT_BYTES);
  return text;
}

export function joined(a: string, b: string, run: Run): string {
  run.pass(a.length + b.length);
  run.make(MADE_OVERHEAD + (a.length + b.length) * TEXT_UNIT_BYTES);
  return a + b;
}

/** Characters that one step searches in, or for, puts in order, or counts. */
export const SEARCHED_PER_STEP = 4;

/** In time that grows with the sum of both lengths, never with their product. */
export function contains(text: string, needle: string, run: Run): boolean {
  run.step(Math.floor((text.length + needle.length) / SEARCHED_PER_STEP));
  if (needle.length > text.length) return false;
  if (needle.length <= SHORT_NEEDLE || text.length * needle.length <= SMALL_SEARCH) return text.includes(needle);
  return search(text, needle);
}

/** Knuth, Morris and Pratt. */
function search(text: string, needle: string): boolean {
  const wanted = new Uint16Array(needle.length);
  for (let at = 0; at < wanted.length; at += 1) wanted[at] = needle.charCodeAt(at);
  const borders = new Int32Array(needle.length);
  for (let at = 1, border = 0; at < wanted.length; at += 1) {
    const unit = wanted[at];
    while (border > 0 && unit !== wanted[border]) border = borders[border - 1] as number;
    if (unit === wanted[border]) border += 1;
    borders[at] = border;
  }
  for (let at = 0, found = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    while (found > 0 && unit !== wanted[found]) found = borders[found - 1] as number;
    if (unit === wanted[found]) found += 1;
    if (found === wanted.length) return true;
  }
  return false;
}

export function startsWith(text: string, start: string, run: Run): boolean {
  run.pass(Math.min(text.length, start.length));
  return text.startsWith(start);
}

export function endsWith(text: string, end: string, run: Run): boolean {
  run.pass(Math.min(text.length, end.length));
  return text.endsWith(end);
}

/** Code points. */
export function characters(text: string, run: Run): number {
  run.step(Math.floor(text.length / SEARCHED_PER_STEP));
  let count = text.length;
  for (let at = 1; at < text.length; at += 1) {
    // A low surrogate after a high one; there are no calls here, which take time until they are compiled.
    if ((text.charCodeAt(at) & 0xfc00) !== 0xdc00 || (text.charCodeAt(at - 1) & 0xfc00) !== 0xd800) continue;
    count -= 1;
    at += 1;
  }
  return count;
}

// What every platform has that a client runs on: the kernel is checked without any platform's types.
declare const TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> };
declare const TextDecoder: new (
  label: string,
  options: { readonly ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
/** What a decoder makes of bytes that are no text. */
const REPLACEMENT = "\ufffd";

/** Fails where the text has half a character, which only JSON lets in: other languages could not hold it. */
export function utf8(text: string, run: Run): Uint8Array | Failure {
  run.pass(text.length);
  if (!text.isWellFormed()) return new Failure("the text has half a character");
  const bytes = encoder.encode(text);
  run.make(MADE_OVERHEAD + bytes.length);
  return bytes;
}

export function textOfUtf8(bytes: Uint8Array, run: Run): string | Failure {
  run.pass(bytes.length);
  const text = decoder.decode(bytes);
  // A decoder that refuses throws an error for each, which takes far longer than to look again.
  if (text.includes(REPLACEMENT) && !isSame(encoder.encode(text), bytes)) return new Failure("the bytes are not UTF-8");
  return made(text, run);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}
