/**
 * Nesting of the JSON that a module sends; its own process refuses values that are nested deeper than 200 levels. Not
 * checked below 16 KiB, because parsing so little takes no time however it is nested. @limit levels
 */
export const MAX_DEPTH = 256;
const SHALLOW = 16_384;

/** Throws a RangeError for JSON text that is nested too deeply. Parsing 4 MiB of such text would take seconds. */
export function refuseDeep(text: string): void {
  if (text.length > SHALLOW && depthOf(text) > MAX_DEPTH) {
    throw new RangeError(`it is nested deeper than ${MAX_DEPTH} levels`);
  }
}

/** Returns the nesting of JSON text. For other text the result is meaningless. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x22:
        at = endOfText(text, at);
        break;
      case 0x5b:
      case 0x7b:
        depth += 1;
        if (depth > deepest) deepest = depth;
        break;
      case 0x5d:
      case 0x7d:
        depth -= 1;
        break;
    }
  }
  return deepest;
}

/** Returns the position of the quote that closes the string opened at `start`. */
function endOfText(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === 0x22) return at;
    if (unit === 0x5c) at += 1;
  }
  return text.length;
}
