import { messageIn } from "../values/json.ts";
import { isError } from "../values/shapes.ts";
import { type Bounds, toTold } from "../values/told.ts";

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

const BOUNDS: Bounds = {
  depth: MAX_FIELD_DEPTH,
  parts: MAX_FIELD_PARTS,
  members: MAX_FIELD_MEMBERS,
  characters: MAX_FIELD_CHARS,
};

/** The message of a log entry, whatever it is. Never throws. */
export function toLogMessage(message: unknown): string {
  const text = typeof message === "string" ? message : textOf(message);
  return (text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE)}…`).toWellFormed();
}

function textOf(message: unknown): string {
  if (typeof message !== "object" || message === null) return String(message);
  return isError(message) ? messageIn(message) : JSON.stringify(toTold(message, BOUNDS));
}

/**
 * The fields of a log entry, whatever they are: each that cannot be told as it is becomes a text that says what it is, and
 * takes no other with it. An error by itself is the field `error`. Never throws.
 */
export function toLogFields(fields: unknown): Record<string, unknown> {
  if (fields === undefined || fields === null) return {};
  const isOne = typeof fields !== "object" || isError(fields);
  const told = toTold(isOne ? { [isError(fields) ? "error" : "fields"]: fields } : fields, BOUNDS);
  if (typeof told === "object" && told !== null && !Array.isArray(told)) return told as Record<string, unknown>;
  return { fields: told };
}
