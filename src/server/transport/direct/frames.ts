/** Frame types of HTTP/2 (RFC 9113, 6). */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** Flags of frames. ACK has the value of END_STREAM, in other frames. */
export const FLAG = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;

/** Bytes before the payload of a frame: length, type, flags and stream (RFC 9113, 4.1). */
export const FRAME_HEAD_BYTES = 9;
/** The largest payload that both sides accept without an agreement (RFC 9113, 4.2). */
export const MAX_FRAME_BYTES = 16_384;

/**
 * Bytes that are reserved at once for frames to send: few at first, because most connections of a crowd send little, and each
 * time twice as many.
 */
const FIRST_CHUNK_BYTES = 1024;
const CHUNK_BYTES = 64 * 1024;

/** Writes frames one after the other into memory, until they are taken to be sent. */
export class FrameWriter {
  #chunk: Buffer = Buffer.alloc(0);
  /** The bytes of the current chunk between these two have not been taken. */
  #start = 0;
  #at = 0;
  /** Earlier chunks that have not been taken. */
  #full: Buffer[] = [];
  #fullBytes = 0;

  /** Bytes that have not been taken. */
  get bytes(): number {
    return this.#fullBytes + this.#at - this.#start;
  }

  /** Takes all frames that were written since the last call. */
  take(): readonly Buffer[] {
    const taken = this.#full;
    if (this.#at > this.#start) taken.push(this.#chunk.subarray(this.#start, this.#at));
    this.#start = this.#at;
    this.#full = [];
    this.#fullBytes = 0;
    return taken;
  }

  /** Writes a header block in as many frames as it needs (RFC 9113, 6.2 and 6.10). */
  headers(stream: number, block: Uint8Array, isLast: boolean): void {
    let sent = 0;
    do {
      const length = Math.min(block.length - sent, MAX_FRAME_BYTES);
      const isFirst = sent === 0;
      const isEnd = sent + length === block.length;
      const flags = (isFirst && isLast ? FLAG.END_STREAM : 0) | (isEnd ? FLAG.END_HEADERS : 0);
      this.#frame(isFirst ? FRAME.HEADERS : FRAME.CONTINUATION, flags, stream, length);
      this.#chunk.set(sent === 0 && isEnd ? block : block.subarray(sent, sent + length), this.#at);
      this.#at += length;
      sent += length;
    } while (sent < block.length);
  }

  /** Writes one DATA frame with the bytes from `from` to `to`, at most `MAX_FRAME_BYTES` (RFC 9113, 6.1). */
  data(stream: number, bytes: Uint8Array, from: number, to: number, isLast: boolean): void {
    this.#frame(FRAME.DATA, isLast ? FLAG.END_STREAM : 0, stream, to - from);
    this.#chunk.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), this.#at);
    this.#at += to - from;
  }

  /** Ends a stream at once (RFC 9113, 6.4). */
  reset(stream: number, code: number): void {
    this.#frame(FRAME.RST_STREAM, 0, stream, 4);
    this.#uint32(code);
  }

  /** Lets the client send more bytes, on a stream or (0) on the connection (RFC 9113, 6.9). */
  window(stream: number, bytes: number): void {
    this.#frame(FRAME.WINDOW_UPDATE, 0, stream, 4);
    this.#uint32(bytes);
  }

  /** Answers a PING, with its 8 bytes (RFC 9113, 6.7). */
  pong(payload: Uint8Array): void {
    this.#frame(FRAME.PING, FLAG.ACK, 0, payload.length);
    this.#chunk.set(payload, this.#at);
    this.#at += payload.length;
  }

  /** Announces that no stream after `lastStream` will be served (RFC 9113, 6.8). */
  goAway(lastStream: number, code: number): void {
    this.#frame(FRAME.GOAWAY, 0, 0, 8);
    this.#uint32(lastStream);
    this.#uint32(code);
  }

  #frame(type: number, flags: number, stream: number, length: number): void {
    if (this.#at + FRAME_HEAD_BYTES + length > this.#chunk.length) this.#next(FRAME_HEAD_BYTES + length);
    const chunk = this.#chunk;
    let at = this.#at;
    chunk[at++] = length >>> 16;
    chunk[at++] = length >>> 8;
    chunk[at++] = length;
    chunk[at++] = type;
    chunk[at++] = flags;
    this.#at = at;
    this.#uint32(stream);
  }

  #uint32(value: number): void {
    const chunk = this.#chunk;
    chunk[this.#at++] = value >>> 24;
    chunk[this.#at++] = value >>> 16;
    chunk[this.#at++] = value >>> 8;
    chunk[this.#at++] = value;
  }

  /** Goes on in a new chunk, which has room for at least so many bytes. */
  #next(bytes: number): void {
    if (this.#at > this.#start) {
      const written = this.#chunk.subarray(this.#start, this.#at);
      this.#full.push(written);
      this.#fullBytes += written.length;
    }
    const size = Math.min(Math.max(2 * this.#chunk.length, FIRST_CHUNK_BYTES), CHUNK_BYTES);
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(size, bytes));
    this.#start = 0;
    this.#at = 0;
  }
}
