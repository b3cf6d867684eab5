/**
 * Most members of an object that JSON.parse gives a shape. It puts a wider one into a table, which takes several times as
 * long, and makes everything slow that is done with the object later.
 */
export const WIDE = 127;
/** Most members for which V8 gives any object a shape. A wider one is read faster from text. */
const SHAPED = 1000;
/** Levels that are searched for wide objects. */
const LOOK_DEPTH = 4;

/** Whether a JSON value contains objects for which a structured clone is faster than text. It looks at the first levels only. */
export function isWide(json: unknown): boolean {
  return hasWideObject(json, LOOK_DEPTH);
}

/** Looks only at the first item of a list, because the others are most likely alike. */
function hasWideObject(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null || depth === 0) return false;
  if (Array.isArray(value)) return hasWideObject(value[0], depth - 1);
  const keys = Object.keys(value);
  if (keys.length > WIDE) return keys.length <= SHAPED;
  for (const key of keys) {
    const member = (value as Record<string, unknown>)[key];
    // Most members are numbers or texts, and the call takes longer than the check.
    if (typeof member === "object" && hasWideObject(member, depth - 1)) return true;
  }
  return false;
}
