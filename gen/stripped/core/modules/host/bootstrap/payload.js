import { checkNames } from "./json.js";

// The forms in which a payload travels.
export const JSON_TEXT = 0;
export const BYTES = 1;
export const JSON_VALUE = 2;

/** Text is read slowly from this many members of one object on; a structured clone is slower for everything else. */
const WIDE = 128;
/** Wider objects further down are not looked for. */
const LOOK_DEPTH = 4;

/**
 * A JSON value as text; undefined where it had better go as a structured clone. Throws what JSON does not have; `root` is what
 * the value is called then.
 */
export function textOf(json         , root        )                     {
  if (hasWideObject(json, LOOK_DEPTH)) {
    checkNames(json, root);
    return undefined;
  }
  const text = JSON.stringify(json) ?? "null";
  // Half a character is written so; the escape of a backslash before such letters looks the same.
  if (text.includes("\\ud")) checkNames(json, root);
  return text;
}

/** Looks at the first item of a list for all of them. */
function hasWideObject(value         , depth        )          {
  if (typeof value !== "object" || value === null || depth === 0) return false;
  if (Array.isArray(value)) return hasWideObject(value[0], depth - 1);
  const keys = Object.keys(value);
  if (keys.length > WIDE) return true;
  for (const key of keys) if (hasWideObject((value                           )[key], depth - 1)) return true;
  return false;
}
