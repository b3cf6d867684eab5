/**
 * Characters that end a line, move the cursor, control a terminal or reverse the text direction: control characters (C0,
 * DEL, C1), line and paragraph separators, and marks of bidirectional text. Also half a surrogate pair, which is not a
 * character.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Returns the text in one line. Unsafe characters are escaped, for example as `
 * ` or `\u001b`.
 */
export function oneLine(text: string): string {
  return text.replace(UNSAFE, (unsafe) => SHORT[unsafe] ?? escaped(unsafe));
}

/** Returns the text with a `?` for each unsafe character. For names, which nobody needs to decode. */
export function asName(text: string): string {
  return text.replace(UNSAFE, "?");
}

/** Returns JSON that was written without line breaks as one safe line: the same value, with unsafe characters escaped. */
export function oneJsonLine(json: string): string {
  return json.replace(UNSAFE, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
