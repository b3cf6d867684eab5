/**
 * Returns the same text for equal JSON values, whatever the order of their members. Returns "" for undefined, which JSON
 * cannot express.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, withSortedMembers) ?? "";
}

function withSortedMembers(_: string, part: unknown): unknown {
  if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
  return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
}
