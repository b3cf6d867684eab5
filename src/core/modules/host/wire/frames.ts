import { deserialize, serialize } from "node:v8";
import {
  ASK,
  CLONE,
  checkForm,
  fromModule,
  fromService,
  LOG,
  OTHER,
  OUTPUT,
  type Packet,
  STATE,
  toPacket,
} from "./packets.ts";
import { BYTES, JSON_CLONE, JSON_TEXT } from "./payload.ts";
import type { FromInstance, ToInstance } from "./protocol.ts";

// The format of messages on the pipe between the service and a process: the length in 4 bytes, a byte for the kind, and the
// body. Node's own channel is not used, because a module could write to it what makes the reader throw where the error
// cannot be caught.

/** The file descriptor of the pipe in the process. */
export const LINK_FD = 3;

const HEAD_BYTES = 4;
const KIND_BYTES = 1;
/** Id, number, lengths of the method and the dependency, and form of the payload. */
const FIXED_BYTES = 8 + 8 + 2 + 2 + 1;
/**
 * Size of the state that a module hands over, and of a message to its process; a swap with a larger state fails. All
 * other messages, such as the module's code, are smaller. @limit bytes
 */
const MAX_BYTES = 256 * 1024 * 1024;
/**
 * Size of the input or answer of a call that a module sends, with its names; a larger one fails in the module. A
 * process that bypasses its own checks is ended, and counts as crashed; a thread's message is dropped. @limit bytes
 */
const MAX_PAYLOAD_BYTES = 4_210_688;
/**
 * Size of every other message of a module, such as the names of its methods or the context of a flag; a larger one
 * fails in the module: its start, or the question. A process that bypasses its own checks is ended, and counts as
 * crashed; a thread's message is dropped. @limit bytes
 */
const MAX_OTHER_BYTES = 1024 * 1024;
/** Size of a log entry of a module, as JSON; of a larger one, the start of its message is logged. @limit bytes */
export const MAX_LOG_BYTES = 65_536;
/**
 * Length of the name of a method or dependency that a module calls; a call with a longer one fails in the module.
 * @limit bytes
 */
const MAX_NAME_BYTES = 65_535;

/** Encodes a message. Throws if it cannot be sent. */
export function toFrame(message: ToInstance | FromInstance): Buffer {
  return packetFrame(toPacket(message) ?? [CLONE, 0, 0, "", "", BYTES, serialize(message)]);
}

/** Encodes a packet. Throws a RangeError if it is larger than the other side accepts. */
export function packetFrame([kind, id, number, method, dependency, form, content]: Packet): Buffer {
  const size = typeof content === "string" ? Buffer.byteLength(content) : content.length;
  const methodBytes = nameBytes(method);
  const dependencyBytes = nameBytes(dependency);
  const length = KIND_BYTES + FIXED_BYTES + methodBytes + dependencyBytes + size;
  const limit = limitOf(kind);
  if (length > limit) throw new RangeError(`a message has ${length} bytes, more than ${limit}`);
  const frame = Buffer.allocUnsafe(HEAD_BYTES + length);
  frame.writeUInt32BE(length);
  frame[HEAD_BYTES] = kind;
  let at = frame.writeDoubleBE(id, HEAD_BYTES + KIND_BYTES);
  at = frame.writeDoubleBE(number, at);
  at = frame.writeUInt16BE(methodBytes, at);
  at = frame.writeUInt16BE(dependencyBytes, at);
  at = frame.writeUInt8(form, at);
  if (methodBytes > 0) at += frame.write(method, at);
  if (dependencyBytes > 0) at += frame.write(dependency, at);
  if (typeof content === "string") frame.write(content, at);
  else frame.set(content, at);
  return frame;
}

/** Returns the bytes of a name. Throws a RangeError if it is longer than the other side accepts. */
export function nameBytes(name: string): number {
  if (name === "") return 0;
  const bytes = Buffer.byteLength(name);
  if (bytes > MAX_NAME_BYTES) throw new RangeError(`the name has ${bytes} bytes, more than ${MAX_NAME_BYTES}`);
  return bytes;
}

/** Most bytes of a module's messages, by kind. */
const MODULE_LIMITS: ReadonlyMap<number, number> = new Map([
  [OUTPUT, MAX_PAYLOAD_BYTES],
  [ASK, MAX_PAYLOAD_BYTES],
  [STATE, MAX_BYTES],
  [OTHER, MAX_OTHER_BYTES],
  [LOG, MAX_LOG_BYTES],
]);

/** Returns the most bytes of a message. Kinds that only the service sends share one limit. */
export function limitOf(kind: number): number {
  return MODULE_LIMITS.get(kind) ?? MAX_BYTES;
}

/** Returns the most bytes of a module's message. Throws a RangeError if modules do not send this kind. */
export function moduleLimitOf(kind: number, awaited: Awaited): number {
  const limit = MODULE_LIMITS.get(kind);
  if (limit === undefined) throw new RangeError(`unknown kind of message: ${kind}`);
  return kind === STATE && !awaited.isStateAwaited() ? MAX_LOG_BYTES : limit;
}

function packetAt(bytes: Buffer, start: number, end: number): Packet {
  const at = start + KIND_BYTES + FIXED_BYTES;
  if (at > end) throw new RangeError("the message is cut off");
  const fixed = start + KIND_BYTES;
  const methodEnd = at + bytes.readUInt16BE(fixed + 16);
  const dependencyEnd = methodEnd + bytes.readUInt16BE(fixed + 18);
  const id = bytes.readDoubleBE(fixed);
  if (dependencyEnd > end || !Number.isSafeInteger(id)) throw new RangeError("the message is cut off");
  const kind = bytes[start] as number;
  const form = bytes[fixed + 20] as number;
  checkForm(kind, form);
  const text = (from: number, to: number): string => (from === to ? "" : bytes.toString("utf8", from, to));
  const method = text(at, methodEnd);
  const dependency = text(methodEnd, dependencyEnd);
  return [
    kind,
    id,
    bytes.readDoubleBE(fixed + 8),
    method,
    dependency,
    form,
    contentAt(bytes, form, dependencyEnd, end),
  ];
}

/**
 * The bytes are copied. A view would keep the whole chunk in memory, whose space is also reused for the next bytes. A clone
 * is decoded at once, and copied by that.
 */
function contentAt(bytes: Buffer, form: number, start: number, end: number): string | Uint8Array {
  if (form === JSON_TEXT) return bytes.toString("utf8", start, end);
  const view = bytes.subarray(start, end);
  return form === JSON_CLONE ? view : new Uint8Array(view);
}

/** How the frames of one side are checked and decoded. */
export interface FrameReading {
  /** Called when only the head of a frame has arrived. Throws if a frame of this kind and length must not be read. */
  check(kind: number, length: number): void;
  /** Decodes a frame's body. Throws if it is not a message. */
  decode(bytes: Buffer, start: number, end: number): unknown;
}

/** How an instance reads the service's frames. */
export const serviceFrames: FrameReading = {
  check: (kind, length) => checkLength(length, limitOf(kind)),
  decode(bytes, start, end) {
    const packet = packetAt(bytes, start, end);
    return packet[0] === CLONE ? deserialize(packet[6] as Uint8Array) : fromService(packet);
  },
};

/** The answers that the service waits for. */
export interface Awaited {
  isAwaited(id: number): boolean;
  /** Whether the instance was asked for its state. */
  isStateAwaited(): boolean;
}

/** How the service reads a module's frames, which may contain anything. */
export function moduleFrames(awaited: Awaited): FrameReading {
  const isAwaited = awaited.isAwaited.bind(awaited);
  return {
    check: (kind, length) => checkLength(length, moduleLimitOf(kind, awaited)),
    decode: (bytes, start, end) => fromModule(packetAt(bytes, start, end), isAwaited),
  };
}

function checkLength(length: number, limit: number): void {
  if (length === 0 || length > limit) throw new RangeError(`a message has ${length} bytes, not 1 to ${limit}`);
}

/**
 * Creates a reader of frames. It takes chunks, and calls `take` with the messages that are complete. At the first invalid
 * bytes it calls `broken` with the problem, and then ignores everything. A frame that is too long is rejected when its head
 * arrives.
 */
export function createFrameReader(
  { check, decode }: FrameReading,
  take: (messages: unknown[]) => void,
  broken: (why: string) => void,
): (chunk: Buffer) => void {
  /** The incomplete frame: first its head and kind, then all of it. */
  let part: Buffer = Buffer.allocUnsafe(HEAD_BYTES + KIND_BYTES);
  let size = 0;
  let isBroken = false;

  /** Returns the length of the frame that begins at `start`, with its head. */
  const lengthAt = (bytes: Buffer, start: number): number => {
    const length = bytes.readUInt32BE(start);
    check(bytes[start + HEAD_BYTES] as number, length);
    return HEAD_BYTES + length;
  };

  /** A frame that is complete within the chunk is read in place. Only a split one is copied. */
  const read = (chunk: Buffer, messages: unknown[]): void => {
    let at = 0;
    while (at < chunk.length) {
      const left = chunk.length - at;
      if (size === 0 && left >= HEAD_BYTES + KIND_BYTES) {
        const length = lengthAt(chunk, at);
        if (left >= length) {
          messages.push(decode(chunk, at + HEAD_BYTES, at + length));
          at += length;
          continue;
        }
      }
      const copied = chunk.copy(part, size, at);
      size += copied;
      at += copied;
      if (size < part.length) return;
      const length = lengthAt(part, 0);
      if (size < length) {
        const whole = Buffer.allocUnsafe(length);
        part.copy(whole);
        part = whole;
        continue;
      }
      messages.push(decode(part, HEAD_BYTES, length));
      part = Buffer.allocUnsafe(HEAD_BYTES + KIND_BYTES);
      size = 0;
    }
  };

  return (chunk) => {
    if (isBroken) return;
    const messages: unknown[] = [];
    let why = "";
    try {
      read(chunk, messages);
    } catch (error) {
      isBroken = true;
      part = Buffer.alloc(0);
      why = error instanceof Error ? error.message : "";
    }
    if (messages.length > 0) take(messages);
    if (isBroken) broken(why);
  };
}

/** The stream that frames are written to. */
interface Pipe {
  cork(): void;
  uncork(): void;
  /** `written` is called when the kernel has taken the frame, or never will. */
  write(frame: Buffer, written?: () => void): unknown;
}

/** Writes frames, and counts those that the kernel has not taken yet. */
interface FrameWriter {
  write(frame: Buffer): void;
  readonly messages: number;
  readonly bytes: number;
}

/**
 * Creates a writer. It writes all frames of one turn of the event loop together, once the kernel has taken the earlier
 * ones.
 */
export function createFrameWriter(pipe: Pipe): FrameWriter {
  let waiting: Buffer[] = [];
  let messages = 0;
  let bytes = 0;
  let isAwaited = false;
  const flush = (): void => {
    isAwaited = false;
    const frames = waiting;
    const [written, size] = [messages, bytes];
    if (frames.length === 0) return;
    waiting = [];
    isAwaited = true;
    pipe.cork();
    const last = frames.length - 1;
    for (const [index, frame] of frames.entries()) {
      if (index < last) pipe.write(frame);
      else {
        pipe.write(frame, () => {
          messages -= written;
          bytes -= size;
          flush();
        });
      }
    }
    pipe.uncork();
  };
  return {
    write(frame) {
      waiting.push(frame);
      messages += 1;
      bytes += frame.length;
      if (isAwaited) return;
      isAwaited = true;
      process.nextTick(flush);
    },
    get messages() {
      return messages;
    },
    get bytes() {
      return bytes;
    },
  };
}
