                                                       
import {               limitOf, moduleLimitOf, nameBytes } from "./frames.js";
import { checkForm, fromModule, fromService,             } from "./packets.js";
import { BYTES } from "./payload.js";
                                                

// Messages between the service and a thread are structured clones, which cost by their parts: packets, and what of the
// service's own is no packet as it is.

/** Several packets in one: to an instance only. */
const BATCH = 9;
/** At most so many: the thread works on some while the service makes the next. */
const BATCH_SIZE = 16;
/** The items of a packet. */
const ITEMS = 8;
/** Of a packet beside its texts and bytes, so that threads are bounded as processes are. */
const PACKET_BYTES = 32;

/** What a thread has read, in memory that it shares with the service: messages and bytes, both counted modulo 2^32. */
                                                

export function createReadCounts()             {
  return new Int32Array(new SharedArrayBuffer(8));
}

/** What a thread is given at its start. */
                             
                             
                            
 

/** Writes posts, and knows what of them the thread has not read yet. */
                      
                                                                       
                                             
                                                               
                            
                         
 

/**
 * Posts messages to a thread. The first in a turn of the event loop goes at once, those after it in batches, the last when
 * the turn ends: to post one costs as much as all else about it. Throws what cannot be sent.
 */
export function createPostWriter(post                          , read            )             {
  let messages = 0;
  let bytes = 0;
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
  /** What was not sent is never read, and waits for nobody. */
  const count = (packet                    )       => {
    messages = (messages + 1) | 0;
    bytes = (bytes + sizeOfAny(packet)) | 0;
  };
  return {
    sizeOf: sizeOfAny,
    write(message, packet) {
      if (mayWait && packet !== undefined) {
        waiting.push(alone(packet));
        count(packet);
        if (waiting.length >= BATCH_SIZE) flush();
        return;
      }
      // What can fail to be cloned has to do so now.
      flush();
      post(packet === undefined ? message : alone(packet));
      count(packet);
      if (!mayWait) setImmediate(endTurn);
      mayWait = true;
    },
    get messages() {
      return (messages - Atomics.load(read, 0)) | 0;
    },
    get bytes() {
      return (bytes - Atomics.load(read, 1)) | 0;
    },
  };
}

/** The messages in what the service posted; they are counted as read. */
export function fromPosts(posted         , read            )               {
  if (!Array.isArray(posted)) {
    Atomics.add(read, 0, 1);
    Atomics.add(read, 1, PACKET_BYTES);
    return [posted              ];
  }
  const packets = posted[0] === BATCH ? (posted[1]                     ) : [posted                     ];
  let bytes = 0;
  for (const packet of packets) bytes += sizeOf(packet);
  Atomics.add(read, 0, packets.length);
  Atomics.add(read, 1, bytes);
  return packets.map(fromService);
}

/** A packet of an instance, as it is posted. Throws a RangeError where it is longer than the service takes. */
export function checkPacket(packet        )         {
  const [size, limit] = [sizeOf(packet), limitOf(packet[0])];
  if (size > limit) throw new RangeError(`a message has ${size} bytes, more than ${limit}`);
  checkNames(packet);
  return alone(packet);
}

/**
 * What a thread posted, as a message; undefined where it is none. Looks at the parts of a packet alone: whatever else is
 * posted has been cloned by then, and costs nothing further.
 */
export function fromPost(posted         , awaited         )          {
  if (!Array.isArray(posted) || posted.length !== ITEMS) return undefined;
  const [kind, id, number, method, dependency, form, content, keys] = posted                      ;
  const texts = [method, dependency, keys].every((text) => typeof text === "string");
  const numbers = Number.isSafeInteger(kind) && Number.isSafeInteger(id) && Number.isSafeInteger(number);
  const isContent = form === BYTES ? content instanceof Uint8Array : typeof content === "string";
  if (!texts || !numbers || !isContent || typeof form !== "number") return undefined;
  const packet = posted                     ;
  try {
    checkForm(packet[0], form);
    if (sizeOf(packet) > moduleLimitOf(packet[0], awaited)) return undefined;
    checkNames(packet);
    return fromModule(alone(packet), (awaitedId) => awaited.isAwaited(awaitedId));
  } catch {
    return undefined;
  }
}

/** Throws a RangeError where a name is longer than a process could send it. */
function checkNames([, , , method, dependency]        )       {
  nameBytes(method);
  nameBytes(dependency);
}

function sizeOf([, , , method, dependency, , content, keys]        )         {
  return PACKET_BYTES + method.length + dependency.length + keys.length + content.length;
}

/** Of what is no packet the parts are not looked at. */
function sizeOfAny(packet                    )         {
  return packet === undefined ? PACKET_BYTES : sizeOf(packet);
}

/** A clone of a part of a buffer has all of the buffer, and one of shared memory is that memory. */
function alone(packet        )         {
  const [kind, id, number, method, dependency, form, content, keys] = packet;
  if (typeof content === "string") return packet;
  const { buffer } = content;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === content.byteLength) return packet;
  return [kind, id, number, method, dependency, form, new Uint8Array(content), keys];
}
