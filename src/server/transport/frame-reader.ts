import { FLAG, FRAME, FRAME_HEAD_BYTES } from "./direct/frames.ts";
import { fragmentOf, framesOf } from "./frame-parts.ts";
import { createHeaderBlock, type HeaderBlock, INITIAL_TABLE_BYTES } from "./header-block.ts";

const PREFACE_BYTES = 24;
const NOTHING = Buffer.alloc(0);

const { DATA, HEADERS, CONTINUATION } = FRAME;
const { END_STREAM, END_HEADERS, PADDED } = FLAG;

/**
 * How a frame is read, which its head decides:
 * - `pass`: unchanged and as it arrives. Node:http2 gets it.
 * - `headers`: as a part of a header block.
 * - `whole`: when it has arrived whole, `take` decides.
 * - `body`: as it arrives, by `body`. Only for DATA.
 * - `stop`: not at all. The connection has been refused.
 */
export type Course = "pass" | "headers" | "whole" | "body" | "stop";

/** What becomes of a whole frame. `pass`: node:http2 gets it. `taken`: it does not. A buffer: it gets these bytes instead. */
export type Verdict = "pass" | "taken" | "stop" | Buffer;

/** Decides about the frames that are read. Each function may refuse the connection, and must call `close` of the reader then. */
export interface FrameDecisions {
  /** Whether the next frame may be read now. If not, call `read` again later. */
  mayGoOn(): boolean;
  /** A frame has begun. Called once for each. */
  courseOf(type: number, flags: number, stream: number, length: number): Course;
  /** A frame has arrived whole. Its payload is between `start` and `end`. */
  take(type: number, stream: number, bytes: Buffer, start: number, end: number): Verdict;
  /** A DATA frame has only padding, and is not the last. Returns false if the connection has been refused. */
  onlyPadding(): boolean;
  /** A DATA frame of that length, padding included, has begun. Its parts follow. */
  bodyBegins(stream: number, length: number): void;
  /** A part of a body. The bytes are only valid during the call. */
  body(stream: number, bytes: Buffer, isLast: boolean): void;
  /** A header block came in one frame. Returns the block that node:http2 gets: this one, another, or none. Throws HpackError. */
  headers(stream: number, block: Buffer, isLast: boolean): Buffer | undefined;
  /** The same for a block of several frames. `beyond`: the limit in bytes because of which fields were left out, if any were. */
  dividedHeaders(stream: number, block: Buffer, isLast: boolean, beyond: number | undefined): Buffer | undefined;
  /** Another frame came before the end of a header block (RFC 9113, 6.10). */
  interrupted(): void;
}

/** A DATA frame of which a part has not arrived. */
interface DataFrame {
  readonly stream: number;
  readonly isLast: boolean;
  left: number;
  padding: number;
  /** Whether the whole body was passed on, and only padding is missing. */
  isPassed: boolean;
}

/** A header block whose end has not arrived. */
interface OpenBlock {
  readonly block: HeaderBlock;
  readonly stream: number;
  /** The flags of its first frame. */
  readonly flags: number;
}

/**
 * Reads what a client sends over HTTP/2 (RFC 9113, 3.4 and 4): the preface, and then frames, in any pieces. It holds back only
 * frames that must be whole, and header blocks. It knows the syntax alone; `FrameDecisions` says what becomes of each frame.
 */
export class FrameReader {
  readonly #decide: FrameDecisions;
  readonly #table = { size: INITIAL_TABLE_BYTES };
  /** The beginning of a frame that must be whole, and how it will be read, once that is decided. */
  #pending: Buffer = NOTHING;
  #course: Course | undefined;
  /** Remaining bytes of the preface, or of a frame that passes. */
  #passing = PREFACE_BYTES;
  #data: DataFrame | undefined;
  #block: OpenBlock | undefined;
  #isClosed = false;

  /** The bytes that are being read, up to where they were read, and from where on node:http2 has not got those that pass. */
  #bytes: Buffer = NOTHING;
  #at = 0;
  #passedFrom = 0;
  /** What node:http2 gets. */
  #out: Buffer[] = [];

  constructor(decide: FrameDecisions) {
    this.#decide = decide;
  }

  /** Bytes that are held, because a frame or a header block has not arrived whole. */
  get held(): number {
    return this.#pending.length + (this.#block?.block.held ?? 0);
  }

  /** Whether node:http2 has got only a part of a frame. */
  get isAmidFrame(): boolean {
    return this.#passing > 0;
  }

  /**
   * Reads on, and adds what node:http2 gets to `out`, also if it throws. Returns whether bytes that are held now belong to another
   * frame or block than before. Throws HeaderBlockError, and what the decisions throw. Nothing can be read after an error.
   */
  read(bytes: Buffer, out: Buffer[]): boolean {
    this.#bytes = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    this.#out = out;
    this.#at = this.#passedFrom = 0;
    const before = this.#block;
    try {
      while (this.#at < this.#bytes.length && !this.#isClosed && this.#decide.mayGoOn() && this.#readPart());
      return this.#at > 0 && (this.#block === undefined || this.#block !== before);
    } finally {
      this.#takeTo(this.#at);
      this.#pending =
        this.#isClosed || this.#at >= this.#bytes.length ? NOTHING : Buffer.from(this.#bytes.subarray(this.#at));
      this.#bytes = NOTHING;
      this.#out = [];
    }
  }

  /** Reads nothing more, and holds nothing. */
  close(): void {
    this.#isClosed = true;
    this.#block = undefined;
    this.#pending = NOTHING;
  }

  /** Reads a part of the preface or of a frame. Returns false if more bytes are needed, or nothing more is read. */
  #readPart(): boolean {
    if (this.#passing > 0) {
      const passed = Math.min(this.#passing, this.#bytes.length - this.#at);
      this.#passing -= passed;
      this.#at += passed;
      return true;
    }
    if (this.#data === undefined) return this.#readFrame();
    this.#readData(this.#data);
    return true;
  }

  #readFrame(): boolean {
    const bytes = this.#bytes;
    const at = this.#at;
    if (bytes.length - at < FRAME_HEAD_BYTES) return false;
    const length = bytes.readUIntBE(at, 3);
    const type = bytes[at + 3] ?? 0;
    const flags = bytes[at + 4] ?? 0;
    const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff;
    const open = this.#block;
    if (open !== undefined && (type !== CONTINUATION || stream !== open.stream)) {
      this.#decide.interrupted();
      return false;
    }
    this.#course ??= this.#decide.courseOf(type, flags, stream, length);
    const isRead = this.#follow(this.#course, type, flags, stream, length);
    if (isRead) this.#course = undefined;
    return isRead;
  }

  /** Returns false if more bytes are needed, or nothing more is read. */
  #follow(course: Course, type: number, flags: number, stream: number, length: number): boolean {
    switch (course) {
      case "pass":
        if (type === DATA && !this.#mayPass(flags, length)) return false;
        this.#passing = FRAME_HEAD_BYTES + length;
        return true;
      case "headers":
        return this.#readHeaders(type, flags, stream, length);
      case "whole":
        return this.#readWhole(type, stream, length);
      case "body":
        return this.#beginData(flags, stream, length);
      case "stop":
        return false;
    }
  }

  #readWhole(type: number, stream: number, length: number): boolean {
    const start = this.#at + FRAME_HEAD_BYTES;
    const end = start + length;
    if (this.#bytes.length < end) return false;
    const verdict = this.#decide.take(type, stream, this.#bytes, start, end);
    if (verdict === "stop") return false;
    if (verdict === "pass") this.#at = end;
    else this.#takeTo(end);
    if (typeof verdict === "object") this.#out.push(verdict);
    return true;
  }

  /** Looks at the padding of a DATA frame that passes. Returns false if more bytes are needed, or nothing more is read. */
  #mayPass(flags: number, length: number): boolean {
    if ((flags & (PADDED | END_STREAM)) !== PADDED || length === 0) return true;
    const padding = this.#paddingOf(flags, length);
    return padding !== undefined && (padding + 1 !== length || this.#decide.onlyPadding());
  }

  /** Returns the bytes of padding after the body of a DATA frame (RFC 9113, 6.1). Undefined if more bytes are needed. */
  #paddingOf(flags: number, length: number): number | undefined {
    return (flags & PADDED) === 0 || length === 0 ? 0 : this.#bytes[this.#at + FRAME_HEAD_BYTES];
  }

  #beginData(flags: number, stream: number, length: number): boolean {
    const isPadded = (flags & PADDED) !== 0;
    const start = this.#at + FRAME_HEAD_BYTES;
    const padding = this.#paddingOf(flags, length);
    if (padding === undefined) return false;
    const left = length - padding - (isPadded ? 1 : 0);
    if (left === 0 && length > 0 && (flags & END_STREAM) === 0 && !this.#decide.onlyPadding()) return false;
    if (left < 0) {
      // RFC 9113, 6.1. Node:http2 handles the violation.
      this.#passing = FRAME_HEAD_BYTES + length;
      return true;
    }
    this.#decide.bodyBegins(stream, length);
    this.#takeTo(start + (isPadded ? 1 : 0));
    this.#data = { stream, isLast: (flags & END_STREAM) !== 0, left, padding, isPassed: false };
    this.#readData(this.#data);
    return true;
  }

  #readData(frame: DataFrame): void {
    const at = this.#at;
    const arrived = this.#bytes.length - at;
    const taken = Math.min(frame.left, arrived);
    frame.left -= taken;
    const isEnd = frame.left === 0;
    if (!frame.isPassed && (taken > 0 || isEnd)) {
      frame.isPassed = isEnd;
      this.#decide.body(frame.stream, this.#bytes.subarray(at, at + taken), isEnd && frame.isLast);
    }
    const padding = isEnd ? Math.min(frame.padding, arrived - taken) : 0;
    frame.padding -= padding;
    if (isEnd && frame.padding === 0) this.#data = undefined;
    this.#takeTo(at + taken + padding);
  }

  #readHeaders(type: number, flags: number, stream: number, length: number): boolean {
    const start = this.#at + FRAME_HEAD_BYTES;
    const end = start + length;
    if (type === CONTINUATION && this.#block === undefined) {
      // RFC 9113, 6.10. Node:http2 handles the violation.
      this.#passing = FRAME_HEAD_BYTES + length;
      return true;
    }
    if (this.#bytes.length < end) return false;
    const payload = this.#bytes.subarray(start, end);
    const fragment = type === HEADERS ? fragmentOf(payload, flags) : payload;
    const isEnd = (flags & END_HEADERS) !== 0;
    if (type === HEADERS && isEnd) {
      this.#noteTableSize(fragment);
      const given = this.#decide.headers(stream, fragment, (flags & END_STREAM) !== 0);
      if (given === fragment) this.#at = end;
      else this.#takeTo(end);
      if (given !== undefined && given !== fragment) this.#out.push(...framesOf(given, stream, flags & END_STREAM));
      return true;
    }
    this.#block ??= { block: createHeaderBlock(this.#table), stream, flags };
    this.#block.block.add(fragment);
    this.#takeTo(end);
    if (isEnd) this.#endBlock(this.#block);
    return true;
  }

  #endBlock({ block: { end }, stream, flags }: OpenBlock): void {
    this.#block = undefined;
    const { block, beyond } = end();
    const given = this.#decide.dividedHeaders(stream, block, (flags & END_STREAM) !== 0, beyond);
    if (given !== undefined) this.#out.push(...framesOf(given, stream, flags & END_STREAM));
  }

  /** A block of one frame is within the limits. It may still change the size of the client's table. */
  #noteTableSize(fragment: Buffer): void {
    const first = fragment[0] ?? 0;
    if (first < 0x20 || first >= 0x40) return;
    createHeaderBlock(this.#table).add(fragment);
  }

  /** Node:http2 gets what passes up to here, and nothing from here to `end`. */
  #takeTo(end: number): void {
    if (this.#at > this.#passedFrom) this.#out.push(this.#bytes.subarray(this.#passedFrom, this.#at));
    this.#at = this.#passedFrom = end;
  }
}
