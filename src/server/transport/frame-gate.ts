import { constants } from "node:http2";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Clock } from "../../core/index.ts";
import { type Bucket, createBucket } from "./bucket.ts";
import type { DirectConnection } from "./direct/connection.ts";
import { FLAG, FRAME, FRAME_HEAD_BYTES, MAX_FRAME_BYTES } from "./direct/frames.ts";
import { Outgoing } from "./direct/outgoing.ts";
import { readSettings } from "./direct/settings.ts";
import { isCarryingNothing } from "./frame-parts.ts";
import { type Course, FrameReader, type Verdict } from "./frame-reader.ts";
import { HeaderBlockError } from "./header-block.ts";
import { HpackError } from "./hpack/error.ts";
import {
  CALLS_PER_TURN,
  CONTROL_FRAMES_BURST,
  CONTROL_FRAMES_PER_SECOND,
  FRAMES_PER_WINDOW_CHANGE,
  MAX_UNSENT_BYTES,
} from "./limits.ts";
import { Unfinished, type UnfinishedHeaders } from "./unfinished.ts";

const PING_BYTES = 8;
const EMPTY_PING = Buffer.from([0, 0, PING_BYTES, FRAME.PING, ...new Uint8Array(5 + PING_BYTES)]);

/** Node:http2 and Connect take longer for small DATA frames than for their bytes. So many count as one call in a turn. */
const SMALL_DATA_BYTES = 1024;
const SMALL_DATA_PER_CALL = 10;

/** Streams with too large headers that the handler has not asked about. One read from a socket has only a few. */
const NOTED_STREAMS = 1000;

const { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION } = FRAME;

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
  readonly #direct: DirectConnection | undefined;
  readonly #outgoing: Outgoing | undefined;
  readonly #reader: FrameReader;
  readonly #unfinished: Unfinished;
  /** The frames without content that are still allowed. */
  readonly #idle: Bucket;
  /** The limit that the headers of a stream exceeded, by stream. */
  readonly #beyond = new Map<number, number>();
  /** Whether nothing more is read: the connection was refused, or is closed. */
  #ended = false;
  /** Calls that began in this turn of the event loop. Small DATA frames count as parts of calls. */
  #begun = 0;
  /** Whether HTTP/2 accepts more data. */
  #wanted = false;
  /** The client has said goodbye. Node:http2 would close the connection at once, so it learns this after the last direct stream. */
  #farewell: Buffer | undefined;
  /** Whether the client has ended its half, and nobody was told. */
  #hasEnded = false;
  /** Whether frames are being read that node:http2 has not got yet. */
  #isReading = false;

  constructor(options: FrameGateOptions) {
    super({ allowHalfOpen: true });
    this.#options = options;
    const { socket, clock, unfinished } = options;
    this.#idle = createBucket(clock, CONTROL_FRAMES_BURST, CONTROL_FRAMES_PER_SECOND);
    this.#unfinished = new Unfinished(unfinished, clock, () => this.refuse(constants.NGHTTP2_ENHANCE_YOUR_CALM));
    this.#reader = this.#createReader();
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
    if (this.#farewell === undefined || this.#reader.isAmidFrame) return;
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
    let isNew = false;
    this.#isReading = true;
    this.#direct?.beginRead();
    try {
      isNew = this.#reader.read(bytes, out);
    } catch (error) {
      const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_COMPRESSION_ERROR } = constants;
      if (!(error instanceof HeaderBlockError || error instanceof HpackError)) throw error;
      this.refuse(error.cause === "excessive" ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_COMPRESSION_ERROR);
    }
    this.#direct?.endRead();
    this.#unfinished.hold(this.#reader.held, isNew);
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

  #createReader(): FrameReader {
    const direct = this.#options.direct;
    return new FrameReader({
      mayGoOn: () => this.#begun < CALLS_PER_TURN,
      courseOf: (type, flags, stream, length) => this.#courseOf(type, flags, stream, length),
      take: (type, stream, bytes, start, end) => this.#take(type, stream, bytes, start, end),
      onlyPadding: () => this.#spend(1),
      bodyBegins: (stream, length) => direct?.received(stream, length),
      body: (stream, bytes, isLast) => direct?.data(stream, bytes, isLast),
      headers: (stream, block, isLast) => {
        this.#count(1);
        return direct === undefined ? block : direct.headers(stream, block, isLast);
      },
      dividedHeaders: (stream, block, isLast, beyond) => {
        this.#count(1);
        if (beyond !== undefined) this.#note(stream, beyond);
        return direct === undefined ? block : direct.headers(stream, block, isLast, false);
      },
      interrupted: () => this.refuse(constants.NGHTTP2_PROTOCOL_ERROR),
    });
  }

  /** HTTP/2's own implementation gets the frames that violate the protocol, and handles them. */
  #courseOf(type: number, flags: number, stream: number, length: number): Course {
    if (isCarryingNothing(type, flags, length) && !this.#spend(1)) return "stop";
    if (length > MAX_FRAME_BYTES) return "pass";
    if (type === HEADERS || type === CONTINUATION) return "headers";
    if (stream === 0) return this.#isForBoth(type, flags, length) ? "whole" : "pass";
    if (type === DATA) {
      if (this.#isOwn(stream)) return "body";
      if (length > 0 && length < SMALL_DATA_BYTES) this.#count(1 / SMALL_DATA_PER_CALL);
      return "pass";
    }
    if (type === RST_STREAM) return length === 4 ? "whole" : "pass";
    if (type === WINDOW_UPDATE && length !== 4) return "pass";
    const hasMeaning = type === WINDOW_UPDATE || type === PRIORITY || type > CONTINUATION;
    return hasMeaning && this.#isOwn(stream) ? "whole" : "pass";
  }

  /** Whether a stream is served directly, or was. */
  #isOwn(stream: number): boolean {
    return this.#direct !== undefined && (this.#direct.has(stream) || this.#direct.isOver(stream));
  }

  /** Whether a frame about the connection concerns the direct streams, too. */
  #isForBoth(type: number, flags: number, length: number): boolean {
    const isAck = (flags & FLAG.ACK) !== 0;
    switch (type) {
      case SETTINGS:
        return !isAck;
      case WINDOW_UPDATE:
        return length === 4;
      case GOAWAY:
        return true;
      case PING:
        // While node:http2 is held up, it answers no PING, and the client would give the connection up.
        return !isAck && length === PING_BYTES && this.#outgoing?.isHolding === true;
      default:
        return false;
    }
  }

  #take(type: number, stream: number, bytes: Buffer, start: number, end: number): Verdict {
    const direct = this.#direct;
    if (type === SETTINGS) return this.#takeSettings(bytes.subarray(start, end));
    if (direct === undefined) return "pass";
    switch (type) {
      case RST_STREAM:
        if (!this.#isOwn(stream)) {
          this.#outgoing?.forget(stream);
          return "pass";
        }
        direct.wasReset(stream);
        return "taken";
      case WINDOW_UPDATE: {
        const given = bytes.readUInt32BE(start) & 0x7fffffff;
        if (stream === 0) return this.#widen(direct, given);
        direct.widen(stream, given);
        return "taken";
      }
      case PING:
        if (this.#outgoing?.isHolding !== true) return "pass";
        direct.pong(bytes.subarray(start, end));
        return "taken";
      case GOAWAY:
        if (direct.size === 0) return "pass";
        this.#farewell = Buffer.from(bytes.subarray(start - FRAME_HEAD_BYTES, end));
        return "taken";
      default:
        // A priority has no meaning here (RFC 9113, 5.3.2), nor has a type that is unknown (5.5).
        return "taken";
    }
  }

  #takeSettings(payload: Buffer): Verdict {
    const settings = readSettings(payload);
    // In node:http2, every stream gets the change, also if the window stays as it is.
    if (settings.initialWindow !== undefined && !this.#spend(FRAMES_PER_WINDOW_CHANGE)) return "stop";
    return this.#direct?.takeSettings(settings) === false ? this.#overflow() : "pass";
  }

  /** The client accepts more bytes on the connection. Node:http2 learns of the part of its window that it has used. */
  #widen(direct: DirectConnection, given: number): Verdict {
    // RFC 9113, 6.9: it may not be 0. Node:http2 handles the violation.
    if (given === 0) return "pass";
    const rest = direct.widenConnection(given);
    if (rest === undefined) return this.#overflow();
    this.#outgoing?.resume();
    if (rest === given) return "pass";
    return rest === 0 ? "taken" : windowUpdate(rest);
  }

  /** The client has made a window larger than it may be (RFC 9113, 6.9.1). */
  #overflow(): "stop" {
    this.refuse(constants.NGHTTP2_FLOW_CONTROL_ERROR);
    return "stop";
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

  /** Uses up some of the allowed frames without content. Returns false if too few are left. */
  #spend(frames: number): boolean {
    if (this.#idle.take(frames)) return true;
    this.refuse(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    return false;
  }

  #close(): void {
    this.#ended = true;
    this.#reader.close();
    this.#unfinished.release();
  }

  /** Ends the connection with HTTP/2's error code. Nothing more of it is read. */
  refuse(code: number): void {
    if (this.#ended) return;
    this.#close();
    this.#options.refuse(code);
  }

  /** A call begins, or gets its trailers. */
  #count(calls: number): void {
    if (this.#begun === 0) setImmediate(() => this.#nextTurn());
    this.#begun += calls;
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
    this.#close();
    this.#direct?.close();
    this.#options.socket.destroy();
    done(error);
  }
}

/** A WINDOW_UPDATE of the connection (RFC 9113, 6.9). */
function windowUpdate(bytes: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEAD_BYTES + 4);
  frame[2] = 4;
  frame[3] = WINDOW_UPDATE;
  frame.writeUInt32BE(bytes, FRAME_HEAD_BYTES);
  return frame;
}
