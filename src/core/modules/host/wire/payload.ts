import type { Payload } from "../types/host.ts";
import { checkNames } from "../values/json.ts";
import { cloneOf, valueOfClone } from "./clone.ts";

// The forms of a payload.
/** A JSON value, as text. */
export const JSON_TEXT = 0;
export const BYTES = 1;
/** A JSON value that contains wide objects, as a structured clone. */
export const JSON_CLONE = 2;

/** An encoded payload. Its content is text if the form is JSON_TEXT, else bytes. */
export type Content = readonly [form: number, content: string | Uint8Array];

/**
 * Encodes a payload. Throws if its value is not JSON. `root` names the value in the message. `isKnown`: its value is known to
 * be JSON, because a module's values are converted before they are sent.
 */
export function contentOf(payload: Payload, root: string, isKnown = false): Content {
  if ("binary" in payload) return [BYTES, payload.binary];
  const { json } = payload;
  const clone = cloneOf(json, isKnown);
  if (clone !== undefined) return [JSON_CLONE, clone];
  const text = JSON.stringify(json) ?? "null";
  // JSON.stringify writes a lone surrogate as \ud…. An escaped backslash before these letters looks the same, so the names
  // are checked.
  if (text.includes("\\ud")) checkNames(json, root);
  return [JSON_TEXT, text];
}

/** Decodes a payload. Throws a SyntaxError or a RangeError if it is invalid. A module's clone must have been checked. */
export function payloadOf([form, content]: Content): Payload {
  if (content instanceof Uint8Array) {
    if (form === BYTES) return { binary: content };
    if (form === JSON_CLONE) return { json: valueOfClone(content) };
  } else if (form === JSON_TEXT) return { json: JSON.parse(content) as unknown };
  throw new RangeError(`unknown form of payload: ${form}`);
}
