                                                
import { WIDE } from "../values/wide.js";
                                            

/**
 * Size of a module's answer, as a protobuf message and as JSON text (in which bytes are base64 and a third longer), so
 * that every protocol can carry it. A call with a larger answer fails with `MODULE_METHOD_FAILED` in the module.
 * @limit bytes
 */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Of protobuf, for a digit and a comma of JSON. */
const MOST_BYTES_PER_CHARACTER = 5.5;
/** Beside the output, the version and the module's name: as JSON, the names of all fields and the longest numbers. */
const ENVELOPE_BYTES = 128;

/** What is left of it for the output where the module and its version have these names. */
export function roomForAnswer(name        , version        )         {
  return MAX_ANSWER_BYTES - ENVELOPE_BYTES - Buffer.byteLength(JSON.stringify(name + version));
}

/** Throws a RangeError where nobody could get the answer. Cheap for all that are small. */
export function checkAnswer(method        , payload         , [, content, keys]         , room        )       {
  const isBinary = "binary" in payload;
  const size = isBinary ? payload.binary.length : sizeOf(payload.json, content, keys, room);
  // Base64 has 4 characters for 3 bytes.
  const most = isBinary ? Math.floor(room / 4) * 3 : room;
  if (size > most) throw new RangeError(`${method} answers with ${size} bytes, and ${most} can be sent to a caller`);
}

function sizeOf(json         , content                     , keys        , room        )         {
  // Wide objects that have the same keys share them here, and each has a character and a comma for each of its values.
  const length = content.length + keys.length * (1 + content.length / (2 * WIDE));
  if (length * MOST_BYTES_PER_CHARACTER <= room) return length;
  const text = keys === "" && typeof content === "string" ? content : JSON.stringify(json);
  return Math.max(Buffer.byteLength(text), valueSize(json));
}

/** Bytes of a JSON value as google.protobuf.Value. */
export function valueSize(json         )         {
  switch (typeof json) {
    case "number":
      return 9;
    case "string":
      return fieldSize(Buffer.byteLength(json));
    case "object":
      break;
    default:
      return 2;
  }
  if (json === null) return 2;
  let size = 0;
  if (Array.isArray(json)) for (const item of json) size += fieldSize(valueSize(item));
  else {
    for (const [key, member] of Object.entries(json)) {
      size += fieldSize(fieldSize(Buffer.byteLength(key)) + fieldSize(valueSize(member)));
    }
  }
  return fieldSize(size);
}

/** With its tag and its length. */
function fieldSize(bytes        )         {
  let size = bytes + 2;
  for (let rest = bytes; rest >= 128; rest /= 128) size += 1;
  return size;
}
