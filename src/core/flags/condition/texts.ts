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

/** Characters that one step searches in, or for. */
export const SEARCHED_PER_STEP = 8;

/** In time that grows with the sum of both lengths, never with their product. */
export function contains(text: string, needle: string, run: Run): boolean {
  run.step(Math.floor((text.length + needle.length) / SEARCHED_PER_STEP));
  if (needle.length > text.length) return false;
  if (needle.length <= SHORT_NEEDLE || text.length * needle.length <= SMALL_SEARCH) return text.includes(needle);
  return search(text, needle);
}

/** Knuth, Morris and Pratt. */
function search(text: string, needle: string): boolean {
  const wanted = Uint16Array.from({ length: needle.length }, (_, at) => needle.charCodeAt(at));
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
  run.pass(text.length);
  let count = text.length;
  for (let at = 1; at < text.length; at += 1) {
    if (isLow(text.charCodeAt(at)) && isHigh(text.charCodeAt(at - 1))) {
      count -= 1;
      at += 1;
    }
  }
  return count;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

export function utf8(text: string, run: Run): Uint8Array {
  run.pass(text.length);
  const bytes = new TextEncoder().encode(text);
  run.make(MADE_OVERHEAD + bytes.length);
  return bytes;
}

export function textOfUtf8(bytes: Uint8Array, run: Run): string | Failure {
  run.pass(bytes.length);
  try {
    return made(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes), run);
  } catch (error) {
    if (error instanceof TypeError) return new Failure("the bytes are not UTF-8");
    throw error;
  }
}
