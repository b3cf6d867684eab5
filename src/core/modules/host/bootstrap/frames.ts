import { deserialize, serialize } from "node:v8";
import type { Payload } from "../host.ts";
import type { FromInstance, ToInstance } from "../protocol.ts";
import { BYTES, JSON_TEXT, JSON_VALUE, textOf } from "./payload.ts";

// Messages on the pipe between the service and a process: the length in 4 bytes, a byte for the kind, and the body. Node's
// own channel would do something like it, but what a module writes to it can make the side that reads throw where nobody
// can catch it. Calls and their outputs, which are nearly all that is sent, have a form of their own: the id, the deadline, the
// method, and the payload: bytes as they are, a JSON value as text or as a structured clone. Everything else is a structured clone.

/** The file descriptor of the pipe in the process. */
export const LINK_FD = 3;

const HEAD_BYTES = 4;
const KIND_BYTES = 1;
const ID_BYTES = 8;
const DEADLINE_BYTES = 8;
/**
 * Size of a message between the service and a module's process. A module that sends a longer one is ended, and counts
 * as crashed. @limit bytes
 */
const MAX_BYTES = 256 * 1024 * 1024;
const MAX_METHOD_BYTES = 255;

const CLONE = 0;
const CALL = 1;
const OUTPUT = 2;

/** A message as it is sent. Throws what cannot be. */
export function toFrame(message: unknown): Buffer {
  const { type } = (message ?? {}) as { readonly type?: unknown };
  if (type === "output") {
    const { id, output } = message as Extract<FromInstance, { type: "output" }>;
    return shortFrame(OUTPUT, id, "", output);
  }
  // A module's own calls of others have the same type, and more to them.
  if (type === "call" && !("within" in (message as object))) {
    const { id, deadline, method, input } = message as Extract<ToInstance, { type: "call" }>;
    if (Buffer.byteLength(method) <= MAX_METHOD_BYTES) return shortFrame(CALL, id, method, input, deadline);
  }
  const body = serialize(message);
  const frame = startFrame(CLONE, body.length);
  body.copy(frame, HEAD_BYTES + KIND_BYTES);
  return frame;
}

function startFrame(kind: number, bodyBytes: number): Buffer {
  const length = KIND_BYTES + bodyBytes;
  if (length > MAX_BYTES) throw new RangeError(`a message has ${length} bytes, more than ${MAX_BYTES}`);
  const frame = Buffer.allocUnsafe(HEAD_BYTES + length);
  frame.writeUInt32BE(length);
  frame[HEAD_BYTES] = kind;
  return frame;
}

/** Kind, id, deadline, length of the method, method, form of the payload, payload. */
function shortFrame(kind: number, id: number, method: string, payload: Payload, deadline = 0): Buffer {
  const [form, content] = contentOf(payload, kind === OUTPUT ? "output" : "input");
  const size = typeof content === "string" ? Buffer.byteLength(content) : content.length;
  const methodBytes = method === "" ? 0 : Buffer.byteLength(method);
  const frame = startFrame(kind, ID_BYTES + DEADLINE_BYTES + 2 + methodBytes + size);
  let at = frame.writeDoubleBE(id, HEAD_BYTES + KIND_BYTES);
  at = frame.writeDoubleBE(deadline, at);
  at = frame.writeUInt8(methodBytes, at);
  if (methodBytes > 0) at += frame.write(method, at);
  at = frame.writeUInt8(form, at);
  if (typeof content === "string") frame.write(content, at);
  else frame.set(content, at);
  return frame;
}

function contentOf(payload: Payload, root: string): readonly [form: number, content: string | Uint8Array] {
  if ("binary" in payload) return [BYTES, payload.binary];
  const text = textOf(payload.json, root);
  return text === undefined ? [JSON_VALUE, serialize(payload.json)] : [JSON_TEXT, text];
}

function decode(bytes: Buffer, start: number, end: number): unknown {
  const kind = bytes[start];
  const body = start + KIND_BYTES;
  // Bytes that a message holds would keep the whole chunk, and be where the next ones are.
  if (kind === CLONE) return deserialize(Buffer.from(bytes.subarray(body, end)));
  if (kind !== CALL && kind !== OUTPUT) throw new RangeError(`no kind of message: ${kind}`);
  const id = bytes.readDoubleBE(body);
  const deadline = bytes.readDoubleBE(body + ID_BYTES);
  const methodStart = body + ID_BYTES + DEADLINE_BYTES + 1;
  const methodEnd = methodStart + bytes.readUInt8(methodStart - 1);
  const content = methodEnd + 1;
  if (content > end || !Number.isSafeInteger(id)) throw new RangeError("it is cut off");
  const payload = payloadOf(bytes.readUInt8(methodEnd), bytes, content, end);
  if (kind === OUTPUT) return { type: "output", id, output: payload };
  return { type: "call", id, deadline, method: bytes.toString("utf8", methodStart, methodEnd), input: payload };
}

function payloadOf(form: number, bytes: Buffer, start: number, end: number): Payload {
  if (form === JSON_TEXT) return { json: JSON.parse(bytes.toString("utf8", start, end)) };
  if (form === BYTES) return { binary: new Uint8Array(bytes.subarray(start, end)) };
  if (form === JSON_VALUE) return { json: deserialize(bytes.subarray(start, end)) };
  throw new RangeError(`no form of a payload: ${form}`);
}

/** Of the frame that begins there, head included. */
function lengthAt(bytes: Buffer, start: number): number {
  const length = bytes.readUInt32BE(start);
  if (length === 0 || length > MAX_BYTES) throw new RangeError(`no length of a message: ${length}`);
  return HEAD_BYTES + length;
}

/**
 * Takes what arrives, and calls back with the messages that are whole by it. At the first bytes that are no frame it calls `broken`, and
 * from then on nothing.
 */
export function createFrameReader(take: (messages: unknown[]) => void, broken: () => void): (chunk: Buffer) => void {
  /** Of a frame of which more is to come. */
  let parts: Buffer[] = [];
  let size = 0;
  /** What there must be of it to go on: its head, then all of it. */
  let needed = HEAD_BYTES;
  let isBroken = false;

  /** Whole frames are read where they are; only of one that is cut are the parts put together. */
  const read = (chunk: Buffer, messages: unknown[]): void => {
    let at = 0;
    while (at < chunk.length) {
      const left = chunk.length - at;
      if (size === 0 && left >= HEAD_BYTES && left >= lengthAt(chunk, at)) {
        const end = at + lengthAt(chunk, at);
        messages.push(decode(chunk, at + HEAD_BYTES, end));
        at = end;
        continue;
      }
      const part = chunk.subarray(at, at + needed - size);
      parts.push(part);
      size += part.length;
      at += part.length;
      if (size < needed) return;
      const frame = Buffer.concat(parts, size);
      needed = lengthAt(frame, 0);
      parts = [frame];
      if (size < needed) continue;
      messages.push(decode(frame, HEAD_BYTES, needed));
      [parts, size, needed] = [[], 0, HEAD_BYTES];
    }
  };

  return (chunk) => {
    if (isBroken) return;
    const messages: unknown[] = [];
    try {
      read(chunk, messages);
    } catch {
      isBroken = true;
      parts = [];
    }
    if (messages.length > 0) take(messages);
    if (isBroken) broken();
  };
}

/** What frames are written to. */
interface Pipe {
  cork(): void;
  uncork(): void;
  write(frame: Buffer): unknown;
}

/** Writes frames; all of one turn of the event loop go out together. */
export function createFrameWriter(pipe: Pipe): (frame: Buffer) => void {
  let corked = false;
  const uncork = (): void => {
    corked = false;
    pipe.uncork();
  };
  return (frame) => {
    if (!corked) {
      corked = true;
      pipe.cork();
      process.nextTick(uncork);
    }
    pipe.write(frame);
  };
}
