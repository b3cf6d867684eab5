import type { Payload } from "../types/host.ts";
import { type Content, JSON_TEXT } from "./payload.ts";

/**
 * Size of a module's answer, as a protobuf message and as JSON text (in which bytes are base64 and a third longer), so
 * that every protocol can carry it. A call with a larger answer fails with `MODULE_METHOD_FAILED` in the module.
 * @limit bytes
 */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Most bytes of protobuf for each character of JSON. The worst case is a digit and a comma. */
const MOST_BYTES_PER_CHARACTER = 5.5;
/** Most bytes of protobuf or JSON for each byte of a structured clone. The worst case is a control character in a text. */
const MOST_BYTES_PER_BYTE = 6;
/**
 * Bytes of an answer beside its output, version and module name: in JSON, the names of all fields and the longest numbers.
 */
const ENVELOPE_BYTES = 128;

/** Returns the most bytes of an output, for a module and version with these names. */
export function roomForAnswer(name: string, version: string): number {
  return MAX_ANSWER_BYTES - ENVELOPE_BYTES - Buffer.byteLength(JSON.stringify(name + version));
}

/** Throws a RangeError if the answer is too large for a caller. Small answers are checked by an estimate only. */
export function checkAnswer(method: string, payload: Payload, [form, content]: Content, room: number): void {
  const isBinary = "binary" in payload;
  const size = isBinary ? payload.binary.length : sizeOf(payload.json, form, content, room);
  // Base64 has 4 characters for 3 bytes.
  const most = isBinary ? Math.floor(room / 4) * 3 : room;
  if (size > most)
    throw new RangeError(`${method} answers with ${size} bytes, but at most ${most} can be sent to a caller`);
}

function sizeOf(json: unknown, form: number, content: string | Uint8Array, room: number): number {
  const most = form === JSON_TEXT ? MOST_BYTES_PER_CHARACTER : MOST_BYTES_PER_BYTE;
  if (content.length * most <= room) return content.length;
  const text = typeof content === "string" ? content : JSON.stringify(json);
  return Math.max(Buffer.byteLength(text), valueSize(json));
}

/** Returns the bytes of a JSON value as a google.protobuf.Value. */
export function valueSize(json: unknown): number {
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

/** Returns the bytes of a field, with its tag and length. */
function fieldSize(bytes: number): number {
  let size = bytes + 2;
  for (let rest = bytes; rest >= 128; rest /= 128) size += 1;
  return size;
}
