/** Cuts a text to at most `length` characters, and marks the cut with "…". A surrogate pair is not split. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  return length === 0 ? "" : `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
