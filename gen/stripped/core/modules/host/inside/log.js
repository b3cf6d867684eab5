import { messageIn } from "../values/json.js";
import {              toReadable } from "../values/readable.js";
import { isError } from "../values/shapes.js";

/** Length of the message of an entry that a module logs; the rest is cut. @limit characters */
const MAX_MESSAGE = 8192;
/** Length of all texts and names in the fields of a log entry of a module; the rest is cut. @limit characters */
const MAX_FIELD_CHARS = 16 * 1024;
/** Values in the fields of a log entry of a module; the rest is omitted. @limit values */
const MAX_FIELD_PARTS = 1000;
/**
 * Members of one object, and items of one list, in the fields of a log entry of a module; the rest is omitted.
 * @limit members
 */
const MAX_FIELD_MEMBERS = 100;
/** Nesting of the fields of a log entry of a module. Only the type of deeper values is logged. @limit levels */
const MAX_FIELD_DEPTH = 8;

const BOUNDS         = {
  depth: MAX_FIELD_DEPTH,
  parts: MAX_FIELD_PARTS,
  members: MAX_FIELD_MEMBERS,
  characters: MAX_FIELD_CHARS,
};

/** Converts any value to the message of a log entry. Never throws. */
export function toLogMessage(message         )         {
  const text = typeof message === "string" ? message : textOf(message);
  return (text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE)}…`).toWellFormed();
}

function textOf(message         )         {
  if (typeof message !== "object" || message === null) return String(message);
  return isError(message) ? messageIn(message) : JSON.stringify(toReadable(message, BOUNDS));
}

/**
 * Converts any value to the fields of a log entry. A field that JSON does not have becomes a text that says what it is. An
 * error in the place of the fields becomes the field `error`. Never throws.
 */
export function toLogFields(fields         )                          {
  if (fields === undefined || fields === null) return {};
  const isOne = typeof fields !== "object" || isError(fields);
  const readable = toReadable(isOne ? { [isError(fields) ? "error" : "fields"]: fields } : fields, BOUNDS);
  if (typeof readable === "object" && readable !== null && !Array.isArray(readable))
    return readable                           ;
  return { fields: readable };
}
