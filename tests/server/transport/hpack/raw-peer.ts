import { type ClientHttp2Session, connect } from "node:http2";
import { duplexPair } from "node:stream";

const PREFACE_BYTES = 24;
const HEAD_BYTES = 9;
const MOST_PAYLOAD = 16_384;
const HEADERS = 1;
const SETTINGS = 4;
const CONTINUATION = 9;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const PADDED = 8;
const HAS_PRIORITY = 0x20;
const HEADER_TABLE_SIZE = 1;

/** A client of `node:http2` in memory, and a peer that reads and writes its bytes by itself. */
export interface RawPeer {
  readonly client: ClientHttp2Session;
  /** Announces the size of the table that the client may use, and waits until the client has acknowledged it. */
  announceTable(bytes: number): Promise<void>;
}

/** `answer` gets the header block of each request, and returns that of the response. */
export function createRawPeer(answer: (block: Buffer) => Buffer): RawPeer {
  const [near, far] = duplexPair();
  const acknowledged: (() => void)[] = [];
  let pending: Buffer = Buffer.alloc(0);
  let skip = PREFACE_BYTES;
  let block: Buffer = Buffer.alloc(0);

  const onFrame = (type: number, flags: number, stream: number, payload: Buffer): void => {
    if (type === SETTINGS && (flags & ACK) === 0) far.write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
    if (type === SETTINGS && (flags & ACK) !== 0) acknowledged.shift()?.();
    if (type !== HEADERS && type !== CONTINUATION) return;
    block = type === HEADERS ? fragmentOf(flags, payload) : Buffer.concat([block, payload]);
    if ((flags & END_HEADERS) !== 0) for (const one of responseFrames(stream, answer(block))) far.write(one);
  };
  far.on("data", (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes]);
    const skipped = Math.min(skip, pending.length);
    skip -= skipped;
    pending = pending.subarray(skipped);
    while (pending.length >= HEAD_BYTES && pending.length >= HEAD_BYTES + pending.readUIntBE(0, 3)) {
      const end = HEAD_BYTES + pending.readUIntBE(0, 3);
      const [head, payload] = [pending.subarray(0, HEAD_BYTES), pending.subarray(HEAD_BYTES, end)];
      pending = pending.subarray(end);
      onFrame(head.readUInt8(3), head.readUInt8(4), head.readUInt32BE(5), payload);
    }
  });

  const announce = (settings: Buffer): Promise<void> =>
    new Promise((resolve) => {
      acknowledged.push(resolve);
      far.write(frame(SETTINGS, 0, 0, settings));
    });
  // A connection begins with SETTINGS.
  void announce(Buffer.alloc(0));
  const client = connect("http://localhost", { createConnection: () => near });
  return {
    client,
    announceTable(bytes) {
      const payload = Buffer.alloc(6);
      payload.writeUInt16BE(HEADER_TABLE_SIZE);
      payload.writeUInt32BE(bytes, 2);
      return announce(payload);
    },
  };
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Returns the part of a HEADERS frame that belongs to the header block (RFC 9113, 6.2). */
function fragmentOf(flags: number, payload: Buffer): Buffer {
  const isPadded = (flags & PADDED) !== 0;
  const start = (isPadded ? 1 : 0) + ((flags & HAS_PRIORITY) === 0 ? 0 : 5);
  return payload.subarray(start, payload.length - (isPadded ? payload.readUInt8(0) : 0));
}

function responseFrames(stream: number, block: Buffer): readonly Buffer[] {
  const count = Math.max(1, Math.ceil(block.length / MOST_PAYLOAD));
  return Array.from({ length: count }, (_, index) => {
    const part = block.subarray(index * MOST_PAYLOAD, (index + 1) * MOST_PAYLOAD);
    const flags = (index === 0 ? END_STREAM : 0) | (index === count - 1 ? END_HEADERS : 0);
    return frame(index === 0 ? HEADERS : CONTINUATION, flags, stream, part);
  });
}
