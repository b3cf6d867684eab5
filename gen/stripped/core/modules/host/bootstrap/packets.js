                                          
                                                               
import { BYTES, JSON_TEXT, JSON_VALUE, textOf } from "./payload.js";

// Messages between the service and a thread are structured clones, which cost by their parts. Calls and their outputs,
// which are nearly all that is sent, go as short lists: the kind, the id, the method, the form of the payload, the payload, the deadline.

const CALL = 1;
const OUTPUT = 2;
/** Several short lists in one: to an instance only. */
const BATCH = 3;
/** At most so many: the thread works on some while the service makes the next. */
const BATCH_SIZE = 16;

                                                                                                                    

/** A message as it is posted. */
export function toPosted(message                           )          {
  return toPacket(message) ?? message;
}

/**
 * Posts messages to a thread. The first in a turn of the event loop goes at once, those after it in batches, the last when
 * the turn ends: to post one costs as much as all else about it. Throws what cannot be sent.
 */
export function createPacketWriter(post                          )                                {
  let waiting           = [];
  let mayWait = false;
  const flush = ()       => {
    const packets = waiting;
    waiting = [];
    if (packets.length > 0) post([BATCH, packets]);
  };
  const endTurn = ()       => {
    mayWait = false;
    flush();
  };
  return (message) => {
    const packet = toPacket(message);
    if (mayWait && packet !== undefined && packet[3] !== JSON_VALUE) {
      waiting.push(packet);
      if (waiting.length >= BATCH_SIZE) flush();
      return;
    }
    // What can fail to be cloned has to do so now.
    flush();
    post(packet ?? message);
    if (!mayWait) setImmediate(endTurn);
    mayWait = true;
  };
}

/** What a thread posted, as a message; undefined where it is none. */
export function fromPacket(posted         )          {
  if (!Array.isArray(posted)) return posted;
  const [kind, id, method, form, content, deadline] = posted                      ;
  const payload = payloadOf(form, content);
  if (payload === undefined) return undefined;
  if (kind === OUTPUT) return { type: "output", id, output: payload };
  return kind === CALL ? { type: "call", id, deadline, method, input: payload } : undefined;
}

/** The messages in what a packet writer posted. */
export function fromPackets(posted         )            {
  if (!Array.isArray(posted) || posted[0] !== BATCH) return [fromPacket(posted)];
  return (posted[1]                      ).map(fromPacket);
}

function toPacket(message                           )                     {
  if (message.type === "output") return packetOf(OUTPUT, message.id, "", message.output, 0);
  // A module's own calls of others have the same type, and more to them.
  if (message.type !== "call" || "within" in message) return undefined;
  return packetOf(CALL, message.id, message.method, message.input, message.deadline);
}

function packetOf(kind        , id        , method        , payload         , deadline        )         {
  if ("binary" in payload) return [kind, id, method, BYTES, alone(payload.binary), deadline];
  const text = textOf(payload.json, kind === OUTPUT ? "output" : "input");
  const [form, content] = text === undefined ? [JSON_VALUE, payload.json] : [JSON_TEXT, text];
  return [kind, id, method, form, content, deadline];
}

/** A clone of a part of a buffer has all of the buffer, and one of shared memory is that memory. */
function alone(bytes            )             {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength ? bytes : new Uint8Array(bytes);
}

function payloadOf(form         , content         )                      {
  if (form === BYTES) return content instanceof Uint8Array ? { binary: content } : undefined;
  if (form === JSON_VALUE) return { json: content };
  if (form !== JSON_TEXT || typeof content !== "string") return undefined;
  try {
    return { json: JSON.parse(content)            };
  } catch {
    return undefined;
  }
}
