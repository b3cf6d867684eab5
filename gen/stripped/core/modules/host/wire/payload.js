                                                
import { checkNames } from "../values/json.js";
import { packWide, unpackWide } from "../values/wide.js";

// The forms in which a payload travels.
/** A JSON value, as text. */
export const JSON_TEXT = 0;
export const BYTES = 1;
/** A JSON value with wide objects in it: as text that is read faster. */
const WIDE_JSON = 2;

/** A payload on its way. `keys`: of the wide objects in it, as text. */
                                                                                          

/** Throws what JSON does not have; `root` is what the value is called then. */
export function contentOf(payload         , root        )          {
  if ("binary" in payload) return [BYTES, payload.binary, ""];
  const { json } = payload;
  const wide = packWide(json);
  const content                                    =
    wide === undefined ? [JSON_TEXT, JSON.stringify(json) ?? "null", ""] : [WIDE_JSON, wide.body, wide.keys];
  // Half a character is written so; the escape of a backslash before such letters looks the same.
  if (content[1].includes("\\ud") || content[2].includes("\\ud")) checkNames(json, root);
  return content;
}

/** Throws a SyntaxError or a RangeError for what is no payload. */
export function payloadOf([form, content, keys]         )          {
  if (content instanceof Uint8Array) {
    if (form === BYTES) return { binary: content };
  } else {
    if (form === JSON_TEXT) return { json: JSON.parse(content)            };
    if (form === WIDE_JSON) return { json: unpackWide({ keys, body: content }) };
  }
  throw new RangeError(`no form of a payload: ${form}`);
}
