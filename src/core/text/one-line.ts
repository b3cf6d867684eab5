/**
 * Characters that end a line, move a cursor, give a terminal an order or turn text around: control characters (C0, DEL,
 * C1), line and paragraph separators, and the marks of bidirectional text. Half a surrogate pair, too, which is not a character.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** The text in one line that shows what it is: what is unsafe in a line is escaped, as `\n` and `\u001b`. */
export function oneLine(text: string): string {
  return text.replace(UNSAFE, (unsafe) => SHORT[unsafe] ?? escaped(unsafe));
}

/** The text with a `?` for each character that is unsafe in a line: for names, which need not be read back. */
export function asName(text: string): string {
  return text.replace(UNSAFE, "?");
}

/** JSON that was written without line breaks, in one line whoever reads it: the same value, with what is unsafe escaped. */
export function oneJsonLine(json: string): string {
  return json.replace(UNSAFE, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
