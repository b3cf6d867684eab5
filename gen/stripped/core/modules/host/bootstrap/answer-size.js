                                          
                                            

/**
 * Size of an answer of a module, as a message of protobuf and as JSON text: what a caller can get, its version and the
 * like included. The call fails with `MODULE_METHOD_FAILED` beyond it, in the module already. @limit bytes
 */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Of protobuf, for a digit and a comma of JSON. */
const MOST_BYTES_PER_CHARACTER = 5.5;
/** Beside the output, the version and the module's name: the tags, the longest lengths and numbers. */
const ENVELOPE_BYTES = 48;

/** What is left of it for the output where the module and its version have these names. */
export function roomForAnswer(name        , version        )         {
  return MAX_ANSWER_BYTES - ENVELOPE_BYTES - Buffer.byteLength(name) - Buffer.byteLength(version);
}

/** Throws a RangeError where nobody could get the answer. Cheap for all that are small. */
export function checkAnswer(method        , payload         , [, content, keys]         , room        )       {
  const size = sizeOf(payload, content, keys, room);
  if (size > room) throw new RangeError(`${method} answers with ${size} bytes, and ${room} can be sent to a caller`);
}

function sizeOf(payload         , content                     , keys        , room        )         {
  if ("binary" in payload) return payload.binary.length;
  const length = content.length + keys.length;
  if (length * MOST_BYTES_PER_CHARACTER <= room) return length;
  const text = typeof content === "string" ? Buffer.byteLength(content) : content.length;
  return Math.max(text + Buffer.byteLength(keys), valueSize(payload.json));
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
