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
import { BYTES } from "./payload.ts";
import type { FromInstance, ToInstance } from "./protocol.ts";

// Messages on the pipe between the service and a process: the length in 4 bytes, a byte for the kind, and the body. Node's
// own channel would do something like it, but what a module writes to it can make the side that reads throw where nobody
// can catch it.

/** The file descriptor of the pipe in the process. */
export const LINK_FD = 3;

const HEAD_BYTES = 4;
const KIND_BYTES = 1;
/** Id, number, lengths of the method, the dependency and the keys, form of the payload. */
const FIXED_BYTES = 8 + 8 + 2 + 2 + 4 + 1;
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

/** A message as it is sent. Throws what cannot be. */
export function toFrame(message: ToInstance | FromInstance): Buffer {
  return packetFrame(toPacket(message) ?? [CLONE, 0, 0, "", "", BYTES, serialize(message), ""]);
}

/** Throws a RangeError where it is longer than the other side takes. */
export function packetFrame([kind, id, number, method, dependency, form, content, keys]: Packet): Buffer {
  const size = typeof content === "string" ? Buffer.byteLength(content) : content.length;
  const methodBytes = nameBytes(method);
  const dependencyBytes = nameBytes(dependency);
  const keysBytes = keys === "" ? 0 : Buffer.byteLength(keys);
  const length = KIND_BYTES + FIXED_BYTES + methodBytes + dependencyBytes + keysBytes + size;
  const limit = limitOf(kind);
  if (length > limit) throw new RangeError(`a message has ${length} bytes, more than ${limit}`);
  const frame = Buffer.allocUnsafe(HEAD_BYTES + length);
  frame.writeUInt32BE(length);
  frame[HEAD_BYTES] = kind;
  let at = frame.writeDoubleBE(id, HEAD_BYTES + KIND_BYTES);
  at = frame.writeDoubleBE(number, at);
  at = frame.writeUInt16BE(methodBytes, at);
  at = frame.writeUInt16BE(dependencyBytes, at);
  at = frame.writeUInt32BE(keysBytes, at);
  at = frame.writeUInt8(form, at);
  if (methodBytes > 0) at += frame.write(method, at);
  if (dependencyBytes > 0) at += frame.write(dependency, at);
  if (keysBytes > 0) at += frame.write(keys, at);
  if (typeof content === "string") frame.write(content, at);
  else frame.set(content, at);
  return frame;
}

/** Throws a RangeError where the name is longer than the other side takes. */
export function nameBytes(name: string): number {
  if (name === "") return 0;
  const bytes = Buffer.byteLength(name);
  if (bytes > MAX_NAME_BYTES) throw new RangeError("a name is too long");
  return bytes;
}

/** How large a message of each kind may be that a module sends. */
const MODULE_LIMITS: ReadonlyMap<number, number> = new Map([
  [OUTPUT, MAX_PAYLOAD_BYTES],
  [ASK, MAX_PAYLOAD_BYTES],
  [STATE, MAX_BYTES],
  [OTHER, MAX_OTHER_BYTES],
  [LOG, MAX_LOG_BYTES],
]);

/** How large a message may be; all kinds that only the service sends are bounded alike. */
export function limitOf(kind: number): number {
  return MODULE_LIMITS.get(kind) ?? MAX_BYTES;
}

/** How large a message of a module may be. Throws a RangeError where no module sends this kind. */
export function moduleLimitOf(kind: number, awaited: Awaited): number {
  const limit = MODULE_LIMITS.get(kind);
  if (limit === undefined) throw new RangeError(`no kind of message: ${kind}`);
  return kind === STATE && !awaited.isStateAwaited() ? MAX_LOG_BYTES : limit;
}

function packetAt(bytes: Buffer, start: number, end: number): Packet {
  let at = start + KIND_BYTES + FIXED_BYTES;
  if (at > end) throw new RangeError("it is cut off");
  const fixed = start + KIND_BYTES;
  const methodEnd = at + bytes.readUInt16BE(fixed + 16);
  const dependencyEnd = methodEnd + bytes.readUInt16BE(fixed + 18);
  const keysEnd = dependencyEnd + bytes.readUInt32BE(fixed + 20);
  const id = bytes.readDoubleBE(fixed);
  if (keysEnd > end || !Number.isSafeInteger(id)) throw new RangeError("it is cut off");
  const kind = bytes[start] as number;
  const form = bytes[fixed + 24] as number;
  checkForm(kind, form);
  const text = (from: number, to: number): string => (from === to ? "" : bytes.toString("utf8", from, to));
  const method = text(at, methodEnd);
  const dependency = text(methodEnd, dependencyEnd);
  const keys = text(dependencyEnd, keysEnd);
  at = keysEnd;
  // Bytes that a message holds would keep the whole chunk, and be where the next ones are.
  const content = form === BYTES ? new Uint8Array(bytes.subarray(at, end)) : bytes.toString("utf8", at, end);
  return [kind, id, bytes.readDoubleBE(fixed + 8), method, dependency, form, content, keys];
}

/** How frames of one side are read. */
export interface FrameReading {
  /** Of a frame of this kind that has `length` bytes, of which no more has come; throws where it is not to be read. */
  check(kind: number, length: number): void;
  /** Throws what is no message. */
  decode(bytes: Buffer, start: number, end: number): unknown;
}

/** How the service's frames are read. */
export const serviceFrames: FrameReading = {
  check: (kind, length) => checkLength(length, limitOf(kind)),
  decode(bytes, start, end) {
    const packet = packetAt(bytes, start, end);
    return packet[0] === CLONE ? deserialize(packet[6] as Uint8Array) : fromService(packet);
  },
};

/** What of the answers of a module somebody waits for. */
export interface Awaited {
  isAwaited(id: number): boolean;
  /** Whether a module was asked for its state. */
  isStateAwaited(): boolean;
}

/** How a module's frames are read, of which nothing can be relied on. */
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
 * Takes what arrives, and calls back with the messages that are whole by it. At the first bytes that are no frame it
 * calls `broken` with what is wrong, and from then on nothing. A frame that is too long is refused by its head.
 */
export function createFrameReader(
  { check, decode }: FrameReading,
  take: (messages: unknown[]) => void,
  broken: (why: string) => void,
): (chunk: Buffer) => void {
  /** Of a frame of which more is to come: its head and kind, then all of it. */
  let part: Buffer = Buffer.allocUnsafe(HEAD_BYTES + KIND_BYTES);
  let size = 0;
  let isBroken = false;

  /** Of the frame that begins there, head included. */
  const lengthAt = (bytes: Buffer, start: number): number => {
    const length = bytes.readUInt32BE(start);
    check(bytes[start + HEAD_BYTES] as number, length);
    return HEAD_BYTES + length;
  };

  /** Whole frames are read where they are; only one that is cut is put together. */
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

/** What frames are written to. */
interface Pipe {
  cork(): void;
  uncork(): void;
  /** `written` is called when the kernel has it, or when it never will. */
  write(frame: Buffer, written?: () => void): unknown;
}

/** Writes frames, and knows what of them the kernel has not taken yet. */
interface FrameWriter {
  write(frame: Buffer): void;
  readonly messages: number;
  readonly bytes: number;
}

/** All frames of one turn of the event loop go out together, and once the kernel has taken those before them. */
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
