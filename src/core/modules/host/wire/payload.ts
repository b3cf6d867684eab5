import type { Payload } from "../types/host.ts";
import { checkNames } from "../values/json.ts";
import { packWide, unpackWide } from "../values/wide.ts";

// The forms in which a payload travels.
/** A JSON value, as text. */
export const JSON_TEXT = 0;
export const BYTES = 1;
/** A JSON value with wide objects in it: as text that is read faster. */
const WIDE_JSON = 2;

/** A payload on its way. `keys`: of the wide objects in it, as text. */
export type Content = readonly [form: number, content: string | Uint8Array, keys: string];

/** Throws what JSON does not have; `root` is what the value is called then. */
export function contentOf(payload: Payload, root: string): Content {
  if ("binary" in payload) return [BYTES, payload.binary, ""];
  const { json } = payload;
  const wide = packWide(json);
  const content: readonly [number, string, string] =
    wide === undefined ? [JSON_TEXT, JSON.stringify(json) ?? "null", ""] : [WIDE_JSON, wide.body, wide.keys];
  // Half a character is written so; the escape of a backslash before such letters looks the same.
  if (content[1].includes("\\ud") || content[2].includes("\\ud")) checkNames(json, root);
  return content;
}

/** Throws a SyntaxError or a RangeError for what is no payload. */
export function payloadOf([form, content, keys]: Content): Payload {
  if (content instanceof Uint8Array) {
    if (form === BYTES) return { binary: content };
  } else {
    if (form === JSON_TEXT) return { json: JSON.parse(content) as unknown };
    if (form === WIDE_JSON) return { json: unpackWide({ keys, body: content }) };
  }
  throw new RangeError(`no form of a payload: ${form}`);
}
