import type { MessagePort } from "node:worker_threads";
import { type Awaited, limitOf, moduleLimitOf, nameBytes } from "./frames.ts";
import { checkForm, fromModule, fromService, type Packet } from "./packets.ts";
import { JSON_CLONE, JSON_TEXT } from "./payload.ts";
import type { ToInstance } from "./protocol.ts";

// Messages between the service and a thread are structured clones, whose cost rises with the number of their parts. So they
// are packets where possible. Other messages of the service are posted as they are.

/** Kind of a post with several packets. Only the service sends it. */
const BATCH = 9;
/** Most packets in a batch. While the thread handles one batch, the service makes the next. */
const BATCH_SIZE = 16;
/** Number of items of a packet. */
const ITEMS = 7;
/** Bytes counted for each packet beside its texts and bytes, so that threads have the same limits as processes. */
const PACKET_BYTES = 32;

/** Numbers of messages and bytes that a thread has read, both modulo 2^32, in memory shared with the service. */
type ReadCounts = Int32Array<SharedArrayBuffer>;

export function createReadCounts(): ReadCounts {
  return new Int32Array(new SharedArrayBuffer(8));
}

/** Data that a thread gets at its start. */
export interface ThreadData {
  readonly port: MessagePort;
  readonly read: ReadCounts;
}

/** Posts messages, and counts those that the thread has not read yet. */
interface PostWriter {
  /** The size that is counted for a packet. */
  sizeOf(packet: Packet | undefined): number;
  write(message: ToInstance, packet: Packet | undefined): void;
  readonly messages: number;
  readonly bytes: number;
}

/**
 * Creates a writer of posts. The first message in a turn of the event loop is posted at once, and the later ones in
 * batches, the last batch at the end of the turn. Posting a message costs as much as everything else about it. Throws if a
 * message cannot be sent.
 */
export function createPostWriter(post: (value: unknown, moved: ArrayBuffer[]) => void, read: ReadCounts): PostWriter {
  let messages = 0;
  let bytes = 0;
  let waiting: Packet[] = [];
  let mayWait = false;
  const flush = (): void => {
    const packets = waiting;
    waiting = [];
    if (packets.length > 0) post([BATCH, packets], movedIn(packets));
  };
  const endTurn = (): void => {
    mayWait = false;
    flush();
  };
  /** Counts a message as sent. A message that could not be sent must not be counted. */
  const count = (size: number): void => {
    messages = (messages + 1) | 0;
    bytes = (bytes + size) | 0;
  };
  return {
    sizeOf: sizeOfAny,
    write(message, packet) {
      if (mayWait && packet !== undefined) {
        waiting.push(detached(packet));
        count(sizeOf(packet));
        if (waiting.length >= BATCH_SIZE) flush();
        return;
      }
      // Posted at once, so that a failure to clone it is thrown here. Memory that is moved has no size afterwards.
      flush();
      const size = sizeOfAny(packet);
      if (packet === undefined) post(message, []);
      else {
        const sent = detached(packet);
        post(sent, movedIn([sent]));
      }
      count(size);
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

/** Decodes a post of the service, and counts its messages as read. */
export function fromPosts(posted: unknown, read: ReadCounts): ToInstance[] {
  if (!Array.isArray(posted)) {
    Atomics.add(read, 0, 1);
    Atomics.add(read, 1, PACKET_BYTES);
    return [posted as ToInstance];
  }
  const packets = posted[0] === BATCH ? (posted[1] as readonly Packet[]) : [posted as unknown as Packet];
  let bytes = 0;
  for (const packet of packets) bytes += sizeOf(packet);
  Atomics.add(read, 0, packets.length);
  Atomics.add(read, 1, bytes);
  return packets.map(fromService);
}

/**
 * Checks a packet of an instance, and returns it as it is to be posted. Throws a RangeError if it is larger than the
 * service accepts.
 */
export function checkPacket(packet: Packet): Packet {
  const [size, limit] = [sizeOf(packet), limitOf(packet[0])];
  if (size > limit) throw new RangeError(`a message has ${size} bytes, more than ${limit}`);
  checkNames(packet);
  return detached(packet);
}

/**
 * Decodes a post of a thread. Returns undefined if it is not a message. Only the parts of a packet are read: any other post
 * has already been cloned, and costs nothing further.
 */
export function fromPost(posted: unknown, awaited: Awaited): unknown {
  if (!Array.isArray(posted) || posted.length !== ITEMS) return undefined;
  const [kind, id, number, method, dependency, form, content] = posted as readonly unknown[];
  const texts = typeof method === "string" && typeof dependency === "string";
  const numbers = Number.isSafeInteger(kind) && Number.isSafeInteger(id) && Number.isSafeInteger(number);
  const isContent = form === JSON_TEXT ? typeof content === "string" : content instanceof Uint8Array;
  if (!texts || !numbers || !isContent || typeof form !== "number") return undefined;
  const packet = posted as unknown as Packet;
  try {
    checkForm(packet[0], form);
    if (sizeOf(packet) > moduleLimitOf(packet[0], awaited)) return undefined;
    checkNames(packet);
    return fromModule(detached(packet), (awaitedId) => awaited.isAwaited(awaitedId));
  } catch {
    return undefined;
  }
}

/** The memory of clones, which nobody else uses. It is moved to the other side rather than copied. */
export function movedIn(packets: readonly Packet[]): ArrayBuffer[] {
  const moved: ArrayBuffer[] = [];
  for (const [, , , , , form, content] of packets) {
    if (form === JSON_CLONE && typeof content !== "string") moved.push(content.buffer as ArrayBuffer);
  }
  return moved;
}

/** Throws a RangeError if a name is longer than a process could send. */
function checkNames([, , , method, dependency]: Packet): void {
  nameBytes(method);
  nameBytes(dependency);
}

function sizeOf([, , , method, dependency, , content]: Packet): number {
  return PACKET_BYTES + method.length + dependency.length + content.length;
}

/** Counts a message that is not a packet with the smallest size. */
function sizeOfAny(packet: Packet | undefined): number {
  return packet === undefined ? PACKET_BYTES : sizeOf(packet);
}

/** Copies a view of a larger or shared buffer. Its clone would contain the whole buffer, or share the memory. */
function detached(packet: Packet): Packet {
  const [kind, id, number, method, dependency, form, content] = packet;
  if (typeof content === "string") return packet;
  const { buffer } = content;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === content.byteLength) return packet;
  return [kind, id, number, method, dependency, form, new Uint8Array(content)];
}
