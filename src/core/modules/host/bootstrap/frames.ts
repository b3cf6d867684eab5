import { deserialize, serialize } from "node:v8";

// Messages on the pipe between the service and a process: the length in 4 bytes, then a structured clone. Node's own
// channel would do the same, but what a module writes to it can make the side that reads throw where nobody can catch it.

/** The file descriptor of the pipe in the process. */
export const LINK_FD = 3;

const HEAD_BYTES = 4;
/** A longer message is none. */
const MAX_BYTES = 256 * 1024 * 1024;

/** A message as it is sent. Throws what cannot be. */
export function toFrame(message: unknown): Buffer {
  const body = serialize(message);
  if (body.length > MAX_BYTES) throw new RangeError(`a message has ${body.length} bytes, more than ${MAX_BYTES}`);
  const frame = Buffer.allocUnsafe(HEAD_BYTES + body.length);
  frame.writeUInt32BE(body.length);
  body.copy(frame, HEAD_BYTES);
  return frame;
}

/**
 * Takes what arrives, and calls back with each message. At the first bytes that are no frame it calls `broken`, and
 * from then on nothing.
 */
export function createFrameReader(message: (value: unknown) => void, broken: () => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let size = 0;
  let needed = HEAD_BYTES;
  let isBroken = false;
  return (chunk) => {
    if (isBroken) return;
    chunks.push(chunk);
    size += chunk.length;
    while (size >= needed) {
      const bytes = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size);
      const length = bytes.readUInt32BE();
      needed = HEAD_BYTES + length;
      chunks = [bytes];
      isBroken = length > MAX_BYTES;
      let value: unknown;
      if (!isBroken && size >= needed) {
        const rest = bytes.subarray(needed);
        try {
          // Bytes that a message holds would keep the whole chunk, and be where the next ones are.
          value = deserialize(Buffer.from(bytes.subarray(HEAD_BYTES, needed)));
        } catch {
          isBroken = true;
        }
        [chunks, size, needed] = [[rest], rest.length, HEAD_BYTES];
        if (!isBroken) message(value);
      }
      if (isBroken) {
        chunks = [];
        broken();
        return;
      }
    }
  };
}
