                                                
import { checkNames } from "../values/json.js";
import { packWide, unpackWide } from "../values/wide.js";

// The forms of a payload.
/** A JSON value, as text. */
export const JSON_TEXT = 0;
export const BYTES = 1;
/** A JSON value that contains wide objects, as text that is parsed faster. */
const WIDE_JSON = 2;

/** An encoded payload. `keys`: the keys of the wide objects in it, as text. */
                                                                                          

/** Encodes a payload. Throws if its value is not JSON. `root` names the value in the message. */
export function contentOf(payload         , root        )          {
  if ("binary" in payload) return [BYTES, payload.binary, ""];
  const { json } = payload;
  const wide = packWide(json);
  const content                                    =
    wide === undefined ? [JSON_TEXT, JSON.stringify(json) ?? "null", ""] : [WIDE_JSON, wide.body, wide.keys];
  // JSON.stringify writes a lone surrogate as \ud…. An escaped backslash before these letters looks the same, so the names
  // are checked.
  if (content[1].includes("\\ud") || content[2].includes("\\ud")) checkNames(json, root);
  return content;
}

/** Decodes a payload. Throws a SyntaxError or a RangeError if it is invalid. */
export function payloadOf([form, content, keys]         )          {
  if (content instanceof Uint8Array) {
    if (form === BYTES) return { binary: content };
  } else {
    if (form === JSON_TEXT) return { json: JSON.parse(content)            };
    if (form === WIDE_JSON) return { json: unpackWide({ keys, body: content }) };
  }
  throw new RangeError(`unknown form of payload: ${form}`);
}
