import { constants } from "node:http2";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Clock, Timer } from "../../core/index.ts";
import { type Bucket, createBucket } from "./bucket.ts";
import type { DirectConnection } from "./direct/connection.ts";
import { FLAG, FRAME, FRAME_HEAD_BYTES, MAX_FRAME_BYTES } from "./direct/frames.ts";
import { Outgoing } from "./direct/outgoing.ts";
import { readSettings } from "./direct/settings.ts";
import { type DataFrame, fragmentOf, framesOf, isCarryingNothing } from "./frame-parts.ts";
import { createHeaderBlock, type HeaderBlock, HeaderBlockError, INITIAL_TABLE_BYTES } from "./header-block.ts";
import { HpackError } from "./hpack/error.ts";
import {
  CALLS_PER_TURN,
  CONTROL_FRAMES_BURST,
  CONTROL_FRAMES_PER_SECOND,
  FRAMES_PER_WINDOW_CHANGE,
  HEADERS_TIMEOUT_MS,
  MAX_UNFINISHED_HEADERS_BYTES,
  MAX_UNSENT_BYTES,
} from "./limits.ts";

const PREFACE_BYTES = 24;
const HEAD_BYTES = FRAME_HEAD_BYTES;
const PING_BYTES = 8;
const EMPTY_PING = Buffer.from([0, 0, PING_BYTES, FRAME.PING, ...new Uint8Array(5 + PING_BYTES)]);

/** Streams with too large headers that the handler has not asked about. One read from a socket has only a few. */
const NOTED_STREAMS = 1000;

const { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION } = FRAME;
const { END_STREAM, ACK, END_HEADERS, PADDED } = FLAG;
const NOTHING = Buffer.alloc(0);

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
  /** Called once when the client has ended its half of the connection, and node:http2 has got everything before that. */
  readonly ended?: (() => void) | undefined;
  /** Serves some of the streams. Their frames do not reach node:http2. */
  readonly direct?: DirectConnection | undefined;
}

interface FrameHead {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly length: number;
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
  #pending: Buffer = NOTHING;
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
  /** The frames without content that are still allowed. */
  readonly #idle: Bucket;
  readonly #direct: DirectConnection | undefined;
  readonly #outgoing: Outgoing | undefined;
  #data: DataFrame | undefined;
  /** What node:http2 gets instead of the last frame. */
  #instead: Buffer | undefined;
  /** The client has said goodbye. Node:http2 would close the connection at once, so it learns this after the last direct stream. */
  #farewell: Buffer | undefined;
  /** Whether the client has ended its half, and nobody was told. */
  #hasEnded = false;
  /** Whether frames are being read that node:http2 has not got yet. */
  #isReading = false;

  constructor(options: FrameGateOptions) {
    super({ allowHalfOpen: true });
    this.#options = options;
    this.#idle = createBucket(options.clock, CONTROL_FRAMES_BURST, CONTROL_FRAMES_PER_SECOND);
    const { socket } = options;
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.on("end", () => {
      this.#hasEnded = true;
      this.#noteEnd();
    });
    socket.on("close", () => this.destroy());
    this.#direct = options.direct;
    if (options.direct === undefined) return;
    const { direct } = options;
    this.#outgoing = new Outgoing(direct, (bytes, done) => direct.sink.write(bytes, done));
    direct.idle = () => this.#passFarewell();
    socket.on("drain", () => {
      direct.sink.drained();
      direct.flush();
      this.#resume();
    });
    socket.on("close", () => direct.sink.drained());
  }

  /** Lets node:http2 know that the client has said goodbye: after all that was read before. */
  #passFarewell(): void {
    if (this.#isReading || (this.#direct !== undefined && this.#direct.size > 0)) return;
    // It must not get into the middle of a frame.
    if (this.#farewell === undefined || this.#through > 0) return;
    this.push(this.#farewell);
    this.#farewell = undefined;
  }

  #noteEnd(): void {
    if (!this.#hasEnded || this.#ended || this.#begun >= CALLS_PER_TURN || this.readableLength > 0) return;
    this.#hasEnded = false;
    this.#options.ended?.();
  }

  /** Whether something that node:http2 has sent waits for the client's window. */
  get isWaiting(): boolean {
    return this.#outgoing?.isWaiting === true;
  }

  /** Calls `sent` when nothing of node:http2 waits any more. */
  whenSent(sent: () => void): void {
    this.#outgoing?.whenSent(sent);
  }

  /** The session is destroyed. It ends only after its last write, which would wait for a client that gives it no window. */
  abandon(): void {
    this.#outgoing?.abandon();
  }

  /** Sends a PING that node:http2, which sends none on a session that is closing, does not know of. It must not be answered. */
  probe(): void {
    this.#options.socket.write(EMPTY_PING);
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
    const all = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    this.#isReading = true;
    this.#direct?.beginRead();
    try {
      this.#split(all, out);
    } catch (error) {
      const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_COMPRESSION_ERROR } = constants;
      if (!(error instanceof HeaderBlockError || error instanceof HpackError)) throw error;
      this.#refuse(error.cause === "excessive" ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_COMPRESSION_ERROR);
    }
    this.#direct?.endRead();
    this.#account(this.#pending.length < all.length);
    if (!this.#mayRead()) this.#options.socket.pause();
    this.#isReading = false;
    if (out.length > 0) this.#pass(out);
    this.#passFarewell();
    this.#noteEnd();
  }

  #pass(out: readonly Buffer[]): void {
    // The data before an error is still passed on. In one piece: node:http2 writes nothing between pieces that follow each other
    // at once, and would close the connection after an error in a later piece without saying why (GOAWAY).
    this.#wanted = this.push(out.length === 1 ? out[0] : Buffer.concat(out));
    if (!this.#wanted) this.#options.socket.pause();
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
      if (this.#data !== undefined) {
        at = start = this.#readData(this.#data, bytes, at);
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
      if (this.#direct !== undefined && length <= MAX_FRAME_BYTES && !isHeaders) {
        const end = this.#takeDirect(this.#direct, bytes, at, { type, flags, stream, length });
        if (end === undefined) break;
        if (end !== at) {
          flush();
          if (this.#instead !== undefined) out.push(this.#instead);
          this.#instead = undefined;
          at = start = end;
          continue;
        }
      }
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
        if (this.#direct === undefined) {
          at = end;
          continue;
        }
        flush();
        const block = this.#direct.headers(stream, fragment, (flags & END_STREAM) !== 0);
        if (block !== undefined) out.push(...framesOf(block, stream, flags & END_STREAM));
        at = start = end;
        continue;
      }
      flush();
      const whole = this.#collect(type, stream, flags, fragment);
      if (whole !== undefined) out.push(...whole);
      at = end;
      start = end;
    }
    flush();
    this.#pending = this.#ended || at >= bytes.length ? NOTHING : Buffer.from(bytes.subarray(at));
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
    const forwarded =
      this.#direct === undefined ? block : this.#direct.headers(stream, block, (open.flags & END_STREAM) !== 0, false);
    return forwarded && framesOf(forwarded, stream, open.flags & END_STREAM);
  }

  /**
   * Handles a frame, other than headers, that concerns direct streams. Returns where it ends. Returns `at` if it does not
   * concern them, and undefined if more bytes are needed.
   */
  #takeDirect(
    direct: DirectConnection,
    bytes: Buffer,
    at: number,
    { type, flags, stream, length }: FrameHead,
  ): number | undefined {
    const isOwn = stream > 0 && (direct.has(stream) || direct.isOver(stream));
    const start = at + HEAD_BYTES;
    const end = start + length;
    if (type === DATA && isOwn) {
      const isPadded = (flags & PADDED) !== 0;
      if (isPadded && bytes.length <= start && length > 0) return undefined;
      const padding = isPadded ? (bytes[start] ?? 0) : 0;
      const left = length - padding - (isPadded ? 1 : 0);
      // RFC 9113, 6.1. Node:http2 handles the violation.
      if (left < 0) return at;
      direct.received(stream, length);
      this.#data = { stream, isLast: (flags & END_STREAM) !== 0, left, padding, isPassed: false };
      return this.#readData(this.#data, bytes, start + (isPadded ? 1 : 0));
    }
    const isWindow = type === WINDOW_UPDATE && length === 4;
    const isShared = stream === 0 && (isWindow || (type === SETTINGS && (flags & ACK) === 0) || type === GOAWAY);
    // A client whose PING is not answered gives the connection up.
    const isPing = type === PING && stream === 0 && length === PING_BYTES && (flags & ACK) === 0;
    const isHeldUp = isPing && this.#outgoing?.isHolding === true;
    if (type === RST_STREAM && !isOwn) this.#outgoing?.forget(stream);
    if (!isOwn && !isShared && !isHeldUp) return at;
    if (bytes.length < end) return undefined;
    if (isHeldUp) {
      direct.pong(bytes.subarray(start, end));
      return end;
    }
    if (isOwn) {
      if (type === RST_STREAM && length === 4) direct.wasReset(stream);
      else if (isWindow) direct.widen(stream, bytes.readUInt32BE(start) & 0x7fffffff);
      // RFC 9113, 6.3: a priority has no meaning here. Frames of a wrong length end the connection, by node:http2.
      else if (type !== PRIORITY && type <= CONTINUATION) return at;
      return end;
    }
    if (isWindow) return this.#widenShared(direct, bytes, at, end);
    if (type === SETTINGS) {
      const settings = readSettings(bytes.subarray(start, end));
      // Here and in node:http2, every stream gets the change, also if the window stays as it is.
      if (settings.initialWindow !== undefined && !this.#take(FRAMES_PER_WINDOW_CHANGE)) return undefined;
      return direct.takeSettings(settings) ? at : this.#overflow();
    }
    if (direct.size === 0) return at;
    this.#farewell = Buffer.from(bytes.subarray(at, end));
    return end;
  }

  /** Passes the part of the connection's window that node:http2 has used. */
  #widenShared(direct: DirectConnection, bytes: Buffer, at: number, end: number): number | undefined {
    const given = bytes.readUInt32BE(end - 4) & 0x7fffffff;
    // RFC 9113, 6.9: it may not be 0. Node:http2 handles the violation.
    if (given === 0) return at;
    const rest = direct.widenConnection(given);
    if (rest === undefined) return this.#overflow();
    this.#outgoing?.resume();
    if (rest === given) return at;
    if (rest > 0) {
      this.#instead = Buffer.from(bytes.subarray(at, end));
      this.#instead.writeUInt32BE(rest, HEAD_BYTES);
    }
    return end;
  }

  /** The client has made a window larger than it may be. */
  #overflow(): undefined {
    this.#refuse(constants.NGHTTP2_FLOW_CONTROL_ERROR);
  }

  /** Passes a part of a body on. Returns where it ends. */
  #readData(frame: DataFrame, bytes: Buffer, at: number): number {
    const taken = Math.min(frame.left, bytes.length - at);
    frame.left -= taken;
    const isEnd = frame.left === 0;
    if (!frame.isPassed && (taken > 0 || isEnd)) {
      this.#direct?.data(frame.stream, bytes.subarray(at, at + taken), isEnd && frame.isLast);
      frame.isPassed = isEnd;
    }
    const padding = Math.min(frame.padding, bytes.length - at - taken);
    if (isEnd) {
      frame.padding -= padding;
      if (frame.padding === 0) this.#data = undefined;
    }
    return at + taken + (isEnd ? padding : 0);
  }

  /** Whether more may be read from the socket now. */
  #mayRead(): boolean {
    if (this.#begun >= CALLS_PER_TURN) return false;
    return this.#direct === undefined || this.#options.socket.writableLength < MAX_UNSENT_BYTES;
  }

  #resume(): void {
    if (this.#wanted && this.#mayRead() && !this.#ended) this.#options.socket.resume();
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
    this.#pending = NOTHING;
    this.#timer?.cancel();
  }

  /** Uses up some of the allowed frames without content. Returns false if too few are left. */
  #take(frames = 1): boolean {
    if (this.#idle.take(frames)) return true;
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
    this.#resume();
  }

  override _read(): void {
    this.#wanted = true;
    this.#resume();
    this.#noteEnd();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send([bytes], done);
  }

  override _writev(parts: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const all = parts.map(({ chunk }) => chunk);
    this.#send(all, done);
  }

  #send(parts: readonly Buffer[], done: (error?: Error | null) => void): void {
    if (this.#outgoing !== undefined) this.#outgoing.send(parts, done);
    else this.#options.socket.write(Buffer.concat(parts), done);
  }

  override _final(done: () => void): void {
    this.#options.socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#ended = true;
    this.#close();
    this.#direct?.close();
    this.#options.socket.destroy();
    done(error);
  }
}
