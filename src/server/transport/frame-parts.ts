import { FLAG, FRAME, FRAME_HEAD_BYTES, MAX_FRAME_BYTES } from "./direct/frames.ts";
import { HeaderBlockError } from "./header-block.ts";

const { DATA, HEADERS, PRIORITY, SETTINGS, PING, CONTINUATION } = FRAME;
const { END_STREAM, END_HEADERS, PADDED, PRIORITY: HAS_PRIORITY } = FLAG;

/** Valid frames that do nothing for a call. A client that sends many of them wants to keep the server busy. */
export function isCarryingNothing(type: number, flags: number, length: number): boolean {
  if (type === DATA) return length === 0 && (flags & END_STREAM) === 0;
  if (type === CONTINUATION) return length < MAX_FRAME_BYTES && (flags & END_HEADERS) === 0;
  return type === PRIORITY || type === SETTINGS || type === PING || type > CONTINUATION;
}

/** Returns the part of a HEADERS frame that belongs to the header block (RFC 9113, 6.2). */
export function fragmentOf(payload: Buffer, flags: number): Buffer {
  const isPadded = (flags & PADDED) !== 0;
  const start = (isPadded ? 1 : 0) + ((flags & HAS_PRIORITY) === 0 ? 0 : 5);
  const end = payload.length - (isPadded ? (payload[0] ?? 0) : 0);
  if (start > end) throw new HeaderBlockError("malformed");
  return payload.subarray(start, end);
}

/** Divides a header block into frames (RFC 9113, 6.2 and 6.10). `endStream`: the flag for the first. */
export function framesOf(block: Buffer, stream: number, endStream: number): readonly Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += MAX_FRAME_BYTES) {
    const part = block.subarray(at, at + MAX_FRAME_BYTES);
    const head = Buffer.alloc(FRAME_HEAD_BYTES);
    head.writeUIntBE(part.length, 0, 3);
    head[3] = at === 0 ? HEADERS : CONTINUATION;
    head[4] = (at === 0 ? endStream : 0) | (at + MAX_FRAME_BYTES < block.length ? 0 : END_HEADERS);
    head.writeUInt32BE(stream, 5);
    frames.push(head, part);
  }
  return frames;
}
