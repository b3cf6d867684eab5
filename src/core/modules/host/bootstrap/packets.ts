import type { Payload } from "../host.ts";
import type { FromInstance, ToInstance } from "../protocol.ts";
import { BYTES, JSON_TEXT, JSON_VALUE, textOf } from "./payload.ts";

// Messages between the service and a thread are structured clones, which cost by their parts. Calls and their outputs,
// which are nearly all that is sent, go as short lists: the kind, the id, the method, the form of the payload, the payload.

const CALL = 1;
const OUTPUT = 2;
const FORM_AT = 3;
/** Several packets in one: to an instance only. */
const BATCH = 3;

/** A message as it is posted. */
export function toPacket(message: ToInstance | FromInstance): unknown {
  if (message.type === "output") return packet(OUTPUT, message.id, "", message.output);
  // A module's own calls of others have the same type, and more to them.
  if (message.type === "call" && !("within" in message)) return packet(CALL, message.id, message.method, message.input);
  return message;
}

/** What was posted, as a message; undefined where it is none. */
export function fromPacket(posted: unknown): unknown {
  if (!Array.isArray(posted)) return posted;
  const [kind, id, method, form, content] = posted as readonly unknown[];
  const payload = payloadOf(form, content);
  if (payload === undefined) return undefined;
  if (kind === OUTPUT) return { type: "output", id, output: payload };
  return kind === CALL ? { type: "call", id, method, input: payload } : undefined;
}

/**
 * Posts messages to a thread. The first in a turn of the event loop goes at once, the others that are short go together when
 * the turn ends: to post one costs as much as all else about it. What cannot be cloned throws at once.
 */
export function createPacketWriter(post: (value: unknown) => void): (message: ToInstance) => void {
  let waiting: unknown[] | undefined;
  const flush = (): void => {
    if (waiting !== undefined && waiting.length > 0) post(waiting.length === 1 ? waiting[0] : [BATCH, waiting]);
    waiting = undefined;
  };
  return (message) => {
    const packet = toPacket(message);
    if (waiting !== undefined && Array.isArray(packet) && packet[FORM_AT] !== JSON_VALUE) {
      waiting.push(packet);
      return;
    }
    flush();
    post(packet);
    waiting = [];
    setImmediate(flush);
  };
}

/** The messages in what was posted by a packet writer. */
export function fromPackets(posted: unknown): readonly unknown[] {
  if (!Array.isArray(posted) || posted[0] !== BATCH) return [fromPacket(posted)];
  return (posted[1] as readonly unknown[]).map(fromPacket);
}

function packet(kind: number, id: number, method: string, payload: Payload): readonly unknown[] {
  if ("binary" in payload) return [kind, id, method, BYTES, alone(payload.binary)];
  const text = textOf(payload.json);
  return text === undefined ? [kind, id, method, JSON_VALUE, payload.json] : [kind, id, method, JSON_TEXT, text];
}

/** A clone of a part of a buffer has all of the buffer, and one of shared memory is that memory. */
function alone(bytes: Uint8Array): Uint8Array {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength ? bytes : new Uint8Array(bytes);
}

function payloadOf(form: unknown, content: unknown): Payload | undefined {
  if (form === BYTES) return content instanceof Uint8Array ? { binary: content } : undefined;
  if (form === JSON_VALUE) return { json: content };
  if (form !== JSON_TEXT || typeof content !== "string") return undefined;
  try {
    return { json: JSON.parse(content) as unknown };
  } catch {
    return undefined;
  }
}
