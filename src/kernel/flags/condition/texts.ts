import { Failure, type Run } from "./budget.ts";

/** The bytes that are counted for a text, a list, a map or bytes, in addition to their content. */
export const MADE_OVERHEAD = 16;
/** The bytes that are counted for one UTF-16 code unit of a new text. */
export const TEXT_UNIT_BYTES = 2;

/** Up to this length the platform's own search is fast for all texts. */
const SHORT_NEEDLE = 8;
const SMALL_SEARCH = 65_536;

/** Counts a text that the expression creates. */
export function made(text: string, run: Run): string {
  run.make(MADE_OVERHEAD + text.length * TEXT_UNIT_BYTES);
  return text;
}

export function joined(a: string, b: string, run: Run): string {
  run.pass(a.length + b.length);
  run.make(MADE_OVERHEAD + (a.length + b.length) * TEXT_UNIT_BYTES);
  return a + b;
}

/** The number of characters that one step searches, sorts or counts. */
export const SEARCHED_PER_STEP = 4;

/** Searches in a time that grows with the sum of both lengths, never with their product. */
export function contains(text: string, needle: string, run: Run): boolean {
  run.step(Math.floor((text.length + needle.length) / SEARCHED_PER_STEP));
  if (needle.length > text.length) return false;
  if (needle.length <= SHORT_NEEDLE || text.length * needle.length <= SMALL_SEARCH) return text.includes(needle);
  return search(text, needle);
}

/** Searches with the algorithm of Knuth, Morris and Pratt. */
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

/** The number of code points. */
export function characters(text: string, run: Run): number {
  run.step(Math.floor(text.length / SEARCHED_PER_STEP));
  let count = text.length;
  for (let at = 1; at < text.length; at += 1) {
    // Skips a low surrogate after a high one. The loop calls no function, because calls are slow until they are compiled.
    if ((text.charCodeAt(at) & 0xfc00) !== 0xdc00 || (text.charCodeAt(at - 1) & 0xfc00) !== 0xd800) continue;
    count -= 1;
    at += 1;
  }
  return count;
}

// Declares the globals that every platform of a client provides. The kernel is checked without the types of any platform.
declare const TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> };
declare const TextDecoder: new (
  label: string,
  options: { readonly ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
/** The character with which a decoder replaces bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";

/** Fails if the text has half a surrogate pair. JSON can hold such a text, but strings of other languages cannot. */
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
  // A strict decoder would throw an error for each invalid text, which takes far longer than this second check.
  if (text.includes(REPLACEMENT) && !isSame(encoder.encode(text), bytes)) return new Failure("the bytes are not UTF-8");
  return made(text, run);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}
