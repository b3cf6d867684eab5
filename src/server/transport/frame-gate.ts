import { constants } from "node:http2";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Clock, Timer } from "../../core/index.ts";
import { createHeaderBlock, type HeaderBlock, HeaderBlockError, INITIAL_TABLE_BYTES } from "./header-block.ts";
import {
  CALLS_PER_TURN,
  CONTROL_FRAMES_BURST,
  CONTROL_FRAMES_PER_SECOND,
  HEADERS_TIMEOUT_MS,
  MAX_UNFINISHED_HEADERS_BYTES,
} from "./limits.ts";

const PREFACE_BYTES = 24;
const HEAD_BYTES = 9;
/** The largest frame that the server allows. It is the smallest limit that HTTP/2 permits (RFC 9113, 6.5.2). */
const MAX_FRAME_BYTES = 16_384;

/** Streams with too large headers that the handler has not asked about. One read from a socket has only a few. */
const NOTED_STREAMS = 1000;

const [DATA, HEADERS, PRIORITY, SETTINGS, PING, CONTINUATION] = [0, 1, 2, 4, 6, 9];
const [END_STREAM, END_HEADERS, PADDED, HAS_PRIORITY] = [0x1, 0x4, 0x8, 0x20];

/** Bytes of unfinished header blocks on all connections of a port. */
export interface UnfinishedHeaders {
  bytes: number;
}

export interface FrameGateOptions {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly unfinished: UnfinishedHeaders;
  /** Called once with HTTP/2's error code if the client violates a limit of the connection. Nothing more is read. */
  readonly refuse: (code: number) => void;
}

/**
 * Stands between a socket and HTTP/2, and checks incoming frames. Header blocks are passed on complete and within their
 * limits. Frames without content are counted. All other frames pass unchanged.
 *
 * It also prevents a crash. On a plain socket, node:http2 runs our callbacks and promises between the frames that it reads.
 * If they reset several streams, it frees the stream whose last frame it is reading, and then writes to it: the process
 * ends by SIGSEGV (seen in 20.20, 22.23, 24.10, 24.20 and 26.0 to 26.10; only the code CANCEL is safe). Data from a Duplex
 * is read from within JavaScript, so our code only runs after all of it has been read.
 */
export class FrameGate extends Duplex {
  readonly #options: FrameGateOptions;
  readonly #table = { size: INITIAL_TABLE_BYTES };
  /** The limit that the headers of a stream exceeded, by stream. */
  readonly #beyond = new Map<number, number>();
  #ended = false;
  #pending: Buffer = Buffer.alloc(0);
  /** Remaining bytes of the preface, or of a frame that passes unchanged. */
  #through = PREFACE_BYTES;
  #open: { readonly block: HeaderBlock; readonly stream: number; readonly flags: number } | undefined;
  /** Counted bytes of the unfinished header block, and the time at which it began. */
  #counted = 0;
  #since = 0;
  #timer: Timer | undefined;
  /** Calls that began in this turn of the event loop. */
  #begun = 0;
  /** Whether HTTP/2 accepts more data. */
  #wanted = false;
  #tokens = CONTROL_FRAMES_BURST;
  #refilledAt: number;

  constructor(options: FrameGateOptions) {
    super({ allowHalfOpen: true });
    this.#options = options;
    this.#refilledAt = options.clock.monotonic();
    const { socket } = options;
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.on("end", () => this.push(null));
    socket.on("close", () => this.destroy());
  }

  /** Returns the limit in bytes that the headers of a stream exceeded, and forgets it. */
  takeBeyond(stream: number): number | undefined {
    const limit = this.#beyond.get(stream);
    if (limit !== undefined) this.#beyond.delete(stream);
    return limit;
  }

  /**
   * Handles data from the socket. One turn of the event loop may read a socket many times, so thousands of new calls are
   * spread over several turns.
   */
  #read(bytes: Buffer): void {
    if (this.#ended) return;
    const out: Buffer[] = [];
    try {
      this.#split(this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]), out);
    } catch (error) {
      if (!(error instanceof HeaderBlockError)) throw error;
      const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_COMPRESSION_ERROR } = constants;
      this.#refuse(error.cause === "excessive" ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_COMPRESSION_ERROR);
    }
    this.#account(out.length > 0);
    if (this.#begun >= CALLS_PER_TURN) this.#options.socket.pause();
    // The data before the error is still passed on.
    for (const part of out) {
      this.#wanted = this.push(part);
      if (!this.#wanted) this.#options.socket.pause();
    }
  }

  #split(bytes: Buffer, out: Buffer[]): void {
    let start = 0;
    let at = 0;
    const flush = (): void => {
      if (at > start) out.push(bytes.subarray(start, at));
    };
    while (at < bytes.length && !this.#ended && this.#begun < CALLS_PER_TURN) {
      if (this.#through > 0) {
        const taken = Math.min(this.#through, bytes.length - at);
        this.#through -= taken;
        at += taken;
        continue;
      }
      if (bytes.length - at < HEAD_BYTES) break;
      const length = bytes.readUIntBE(at, 3);
      const type = bytes[at + 3] ?? 0;
      const flags = bytes[at + 4] ?? 0;
      const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff;
      const isHeaders = type === HEADERS || type === CONTINUATION;
      if (this.#open !== undefined && (type !== CONTINUATION || stream !== this.#open.stream)) {
        this.#refuse(constants.NGHTTP2_PROTOCOL_ERROR);
        break;
      }
      if (isCarryingNothing(type, flags, length) && !this.#take()) break;
      // HTTP/2's own implementation handles frames that violate the protocol.
      if (!isHeaders || length > MAX_FRAME_BYTES || (type === CONTINUATION && this.#open === undefined)) {
        this.#through = HEAD_BYTES + length;
        continue;
      }
      const end = at + HEAD_BYTES + length;
      if (bytes.length < end) break;
      if (type === HEADERS) this.#count();
      const payload = bytes.subarray(at + HEAD_BYTES, end);
      const fragment = type === HEADERS ? fragmentOf(payload, flags) : payload;
      if (type === HEADERS && (flags & END_HEADERS) !== 0) {
        this.#noteTableSize(fragment);
        at = end;
        continue;
      }
      flush();
      const whole = this.#collect(type, stream, flags, fragment);
      if (whole !== undefined) out.push(...whole);
      at = end;
      start = end;
    }
    flush();
    this.#pending = this.#ended ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
  }

  /** A block of one frame is within the limits. It may still change the size of the client's table. */
  #noteTableSize(fragment: Buffer): void {
    const first = fragment[0] ?? 0;
    if (first < 0x20 || first >= 0x40) return;
    createHeaderBlock(this.#table).add(fragment);
  }

  /** Collects a header block. Returns its frames when it is complete. */
  #collect(type: number, stream: number, flags: number, fragment: Buffer): readonly Buffer[] | undefined {
    if (type === HEADERS) this.#open = { block: createHeaderBlock(this.#table), stream, flags };
    const open = this.#open;
    if (open === undefined) return undefined;
    open.block.add(fragment);
    if ((flags & END_HEADERS) === 0) return undefined;
    this.#open = undefined;
    const { block, beyond } = open.block.end();
    if (beyond !== undefined) this.#note(stream, beyond);
    return framesOf(block, stream, open.flags & END_STREAM);
  }

  /** Notes a stream with too large headers. Some are never asked for: trailers, and streams that were reset at once. */
  #note(stream: number, limit: number): void {
    const [oldest] = this.#beyond.keys();
    if (oldest !== undefined && this.#beyond.size >= NOTED_STREAMS) this.#beyond.delete(oldest);
    this.#beyond.set(stream, limit);
  }

  /** Counts an unfinished header block, and sets its time limit. `progressed`: a new block has begun. */
  #account(progressed: boolean): void {
    const { clock, unfinished } = this.#options;
    const held = this.#pending.length + (this.#open?.block.held ?? 0);
    if (this.#counted === 0 || (progressed && this.#open === undefined)) this.#since = clock.monotonic();
    unfinished.bytes += held - this.#counted;
    this.#counted = held;
    if (held === 0) return;
    if (unfinished.bytes > MAX_UNFINISHED_HEADERS_BYTES) this.#refuse(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    else this.#timer ??= clock.setTimer(HEADERS_TIMEOUT_MS, () => this.#expire());
  }

  /** The timer is not restarted for each frame. Instead, it checks the time when it fires. */
  #expire(): void {
    const { clock } = this.#options;
    this.#timer = undefined;
    if (this.#counted === 0) return;
    const left = this.#since + HEADERS_TIMEOUT_MS - clock.monotonic();
    if (left > 0) this.#timer = clock.setTimer(left, () => this.#expire());
    else this.#refuse(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #close(): void {
    this.#options.unfinished.bytes -= this.#counted;
    this.#counted = 0;
    this.#open = undefined;
    this.#pending = Buffer.alloc(0);
    this.#timer?.cancel();
  }

  /** Uses up one of the allowed frames without content. Returns false if none is left. */
  #take(): boolean {
    const now = this.#options.clock.monotonic();
    const earned = ((now - this.#refilledAt) * CONTROL_FRAMES_PER_SECOND) / 1000;
    this.#tokens = Math.min(CONTROL_FRAMES_BURST, this.#tokens + earned);
    this.#refilledAt = now;
    this.#tokens -= 1;
    if (this.#tokens >= 0) return true;
    this.#refuse(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    return false;
  }

  #refuse(code: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#close();
    this.#options.refuse(code);
  }

  #count(): void {
    if (this.#begun === 0) setImmediate(() => this.#nextTurn());
    this.#begun += 1;
  }

  /** Reads the data that has waited for the next turn. */
  #nextTurn(): void {
    const waited = this.#begun >= CALLS_PER_TURN;
    this.#begun = 0;
    if (!waited || this.#ended) return;
    this.#read(Buffer.alloc(0));
    if (this.#wanted && this.#begun < CALLS_PER_TURN) this.#options.socket.resume();
  }

  override _read(): void {
    this.#wanted = true;
    if (this.#begun < CALLS_PER_TURN) this.#options.socket.resume();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#options.socket.write(bytes, done);
  }

  override _writev(parts: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const { socket } = this.#options;
    socket.cork();
    for (const [index, { chunk }] of parts.entries()) {
      if (index < parts.length - 1) socket.write(chunk);
      else socket.write(chunk, done);
    }
    socket.uncork();
  }

  override _final(done: () => void): void {
    this.#options.socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#ended = true;
    this.#close();
    this.#options.socket.destroy();
    done(error);
  }
}

/** Valid frames that do nothing for a call. A client that sends many of them wants to keep the server busy. */
function isCarryingNothing(type: number, flags: number, length: number): boolean {
  if (type === DATA) return length === 0 && (flags & END_STREAM) === 0;
  if (type === CONTINUATION) return length < MAX_FRAME_BYTES && (flags & END_HEADERS) === 0;
  return type === PRIORITY || type === SETTINGS || type === PING || type > CONTINUATION;
}

/** Returns the part of a HEADERS frame that belongs to the header block (RFC 9113, 6.2). */
function fragmentOf(payload: Buffer, flags: number): Buffer {
  const isPadded = (flags & PADDED) !== 0;
  const start = (isPadded ? 1 : 0) + ((flags & HAS_PRIORITY) === 0 ? 0 : 5);
  const end = payload.length - (isPadded ? (payload[0] ?? 0) : 0);
  if (start > end) throw new HeaderBlockError("malformed");
  return payload.subarray(start, end);
}

function framesOf(block: Buffer, stream: number, endStream: number): readonly Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += MAX_FRAME_BYTES) {
    const part = block.subarray(at, at + MAX_FRAME_BYTES);
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUIntBE(part.length, 0, 3);
    head[3] = at === 0 ? HEADERS : CONTINUATION;
    head[4] = (at === 0 ? endStream : 0) | (at + MAX_FRAME_BYTES < block.length ? 0 : END_HEADERS);
    head.writeUInt32BE(stream, 5);
    frames.push(head, part);
  }
  return frames;
}
