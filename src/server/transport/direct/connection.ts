import { constants } from "node:http2";
import type { Clock } from "../../../core/index.ts";
import { type HeaderList, HpackDecoder } from "../hpack/decoder.ts";
import { encodeBlock } from "../hpack/encoder.ts";
import { MAX_CONNECTION_STREAMS, MAX_REFUSED_REQUEST_MS } from "../limits.ts";
import { areTrailers, type RequestHead, readHead } from "./head.ts";
import { KnownHeads } from "./known-heads.ts";
import { Sender } from "./sender.ts";
import type { ClientSettings } from "./settings.ts";
import { INITIAL_WINDOW_BYTES, LARGEST_WINDOW } from "./shared-window.ts";
import type { Sink } from "./sink.ts";
import { type Accept, type Begin, DirectStream, NO_READER, type StreamHost } from "./stream.ts";

const {
  NGHTTP2_NO_ERROR,
  NGHTTP2_PROTOCOL_ERROR,
  NGHTTP2_FLOW_CONTROL_ERROR,
  NGHTTP2_STREAM_CLOSED,
  NGHTTP2_REFUSED_STREAM,
  NGHTTP2_CANCEL,
  NGHTTP2_ENHANCE_YOUR_CALM,
} = constants;

/** Received bytes of a stream are given back to its window in steps of at least this size. */
const WINDOW_STEP_BYTES = 16_384;

export interface DirectOptions {
  readonly accept: Accept;
  readonly sink: Sink;
  readonly clock: Clock;
  readonly peer: string;
  /** Called for each stream that the client resets. Returns false if it has done so too often. */
  readonly mayReset: () => boolean;
  /** Closes the connection with HTTP/2's error code. */
  readonly refuse: (code: number) => void;
}

/** The highest ids of streams that the client has begun. A later stream has a higher one (RFC 9113, 5.1.1). */
interface LastStreams {
  /** Of all. A header block with a higher id begins a stream, and one with a lower id is trailers. */
  begun: number;
  /** Of those that were not refused, wherever they are served. GOAWAY names it. */
  served: number;
  /** Of those that node:http2 got. It ignores late frames of that stream and older ones itself. */
  elsewhere: number;
}

/**
 * The streams of one HTTP/2 connection that Helios serves itself. node:http2 serves all others on the same connection. The
 * two share the window of the connection for sent data, and nothing else. This is the receiving half, which begins and ends the
 * streams. `Sender` is the sending half.
 */
export class DirectConnection implements StreamHost {
  readonly peer: string;
  /** Where node:http2 writes, too. */
  readonly sink: Sink;
  identity: object = this;
  /** Called when the last stream has ended. */
  idle: () => void = () => {};
  readonly #options: DirectOptions;
  readonly #streams = new Map<number, DirectStream>();
  readonly #sender: Sender;
  readonly #decoder = new HpackDecoder();
  readonly #known = new KnownHeads();
  #initialWindow = INITIAL_WINDOW_BYTES;
  /** Received bytes that were not yet given back to the client. */
  #unreturned = 0;
  readonly #last: LastStreams = { begun: 0, served: 0, elsewhere: 0 };
  #isClosed = false;
  /** Waits for the end of the last stream. */
  #left: (() => void) | undefined;
  /** Whether new streams are refused, because the connection is being closed. */
  #isLeaving = false;

  constructor(options: DirectOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.sink = options.sink;
    this.#sender = new Sender(options.sink, (stream) => this.#sentLast(stream));
  }

  /** Number of streams that wait for the connection's window. */
  get blocked(): number {
    return this.#sender.blocked;
  }

  /** What both kinds of streams may send. */
  get window(): Sender["window"] {
    return this.#sender.window;
  }

  get tableSize(): Sender["tableSize"] {
    return this.#sender.tableSize;
  }

  /** Number of streams that have not ended. */
  get size(): number {
    return this.#streams.size;
  }

  /** The last stream that was served, here or by node:http2. It does not grow after `leave` (RFC 9113, 6.8). */
  get lastServed(): number {
    return this.#last.served;
  }

  /** Whether a stream is served here. */
  has(stream: number): boolean {
    return this.#streams.has(stream);
  }

  /** Whether the stream has ended here, so that late frames mean nothing. */
  isOver(stream: number): boolean {
    return stream > this.#last.elsewhere && stream <= this.#last.begun && !this.#streams.has(stream);
  }

  /** Call before and after the frames of one chunk from the socket, so that what they cause is sent together. */
  beginRead(): void {
    this.#sender.hold();
  }

  endRead(): void {
    this.#sender.release();
  }

  /**
   * Handles a complete header block. Returns the block that node:http2 must get instead, or undefined if the stream is served
   * here. Throws HpackError. `isWhole`: no field was left out; otherwise the request is never served here.
   */
  headers(id: number, block: Buffer, isLast: boolean, isWhole = true): Buffer | undefined {
    const isNew = id % 2 === 1 && id > this.#last.begun;
    const known = isNew && isWhole ? this.#known.find(block) : undefined;
    if (known !== undefined) {
      this.#open(id, known.head, known.begin, isLast);
      return undefined;
    }
    const list = this.#decoder.decode(block);
    if (!isNew) return this.#trailers(id, list, isLast) ? undefined : this.#forwarded(list, block);
    this.#last.begun = id;
    if (this.#isLeaving) {
      this.#refuse(id);
      return undefined;
    }
    if (list.truncated) {
      this.#sender.frames.reset(id, NGHTTP2_ENHANCE_YOUR_CALM);
      return undefined;
    }
    const head = isWhole ? readHead(list.fields) : undefined;
    const begin = head === undefined ? undefined : this.#options.accept(head);
    if (head === undefined || begin === undefined) {
      this.#last.served = id;
      this.#last.elsewhere = id;
      return this.#forwarded(list, block);
    }
    if (this.#decoder.isStateless) this.#known.remember(block, head, begin);
    this.#open(id, head, begin, isLast);
    return undefined;
  }

  /** Handles a part of the body of a stream that is served here. */
  data(id: number, bytes: Buffer, isLast: boolean): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    if (stream.remoteHalf === "closed") {
      // RFC 9113, 5.1: the client has ended its half.
      this.#fail(stream, NGHTTP2_STREAM_CLOSED);
      return;
    }
    stream.received += bytes.length;
    const { contentLength } = stream.head;
    const isWrong =
      contentLength !== undefined && (stream.received > contentLength || (isLast && stream.received < contentLength));
    if (isWrong) this.#fail(stream, NGHTTP2_PROTOCOL_ERROR);
    else {
      if (isLast) stream.remoteHalf = "closed";
      stream.reader.data(bytes, isLast);
      // A request that is answered already is still read to its end.
      if (!isLast && this.#streams.has(id) && stream.unreturned >= WINDOW_STEP_BYTES) {
        this.#sender.frames.window(id, stream.unreturned);
        stream.unreturned = 0;
      }
      if (isLast) this.#settle(stream);
    }
  }

  /**
   * A DATA frame of that length has begun; call it before `data`. The client has used up its windows by that length, which
   * includes padding (RFC 9113, 6.9.1), and gets the bytes back.
   */
  received(id: number, length: number): void {
    this.#unreturned += length;
    if (this.#unreturned >= WINDOW_STEP_BYTES) {
      this.#sender.frames.window(0, this.#unreturned);
      this.#unreturned = 0;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.unreturned += length;
    if (stream.unreturned > INITIAL_WINDOW_BYTES) this.#fail(stream, NGHTTP2_FLOW_CONTROL_ERROR);
  }

  /** The client has reset a stream. */
  wasReset(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#countReset();
    this.#drop(stream);
  }

  /** The client accepts more bytes on a stream. */
  widen(id: number, bytes: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    // RFC 9113, 6.9 and 6.9.1.
    if (bytes === 0) this.#fail(stream, NGHTTP2_PROTOCOL_ERROR);
    else if (stream.sendWindow + bytes > LARGEST_WINDOW) this.#fail(stream, NGHTTP2_FLOW_CONTROL_ERROR);
    else {
      stream.sendWindow += bytes;
      if (stream.hasToSend) this.#sender.schedule(stream);
    }
  }

  /**
   * The client accepts more bytes on the connection. Returns the bytes of which node:http2 must learn, or undefined if the window
   * would exceed its limit: the connection cannot go on (RFC 9113, 6.9.1).
   */
  widenConnection(bytes: number): number | undefined {
    const rest = this.#sender.window.widen(bytes);
    if (rest !== undefined) this.#sender.flushSoon();
    return rest;
  }

  /** The client has sent settings. Returns false if the connection cannot go on; see `setInitialWindow`. */
  takeSettings({ initialWindow, tableSizes }: ClientSettings): boolean {
    this.#sender.tableSize.announced(tableSizes);
    return initialWindow === undefined || this.setInitialWindow(initialWindow);
  }

  /**
   * The client has changed the initial window of its streams, also of the existing ones, whose windows may become negative.
   * Returns false if one would exceed its limit: the connection must end with FLOW_CONTROL_ERROR (RFC 9113, 6.9.2).
   */
  setInitialWindow(bytes: number): boolean {
    if (bytes > LARGEST_WINDOW) return false;
    const change = bytes - this.#initialWindow;
    if (change === 0) return true;
    this.#initialWindow = bytes;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > LARGEST_WINDOW) return false;
      if (change > 0 && stream.hasToSend) this.#sender.schedule(stream);
    }
    return true;
  }

  /** Node:http2 has sent the server's settings. */
  settingsSent(): void {
    this.#sender.settingsSent();
  }

  /** Node:http2 no longer waits for the window. */
  resume(): void {
    this.#sender.window.free();
    this.#sender.flushSoon();
  }

  /** Announces that the connection will be closed. Further streams are refused. `left` is called when the last has ended. */
  leave(left: () => void): void {
    if (this.#isLeaving || this.#isClosed) return;
    this.#isLeaving = true;
    this.#sender.frames.goAway(this.#last.served, NGHTTP2_NO_ERROR);
    this.#sender.flush();
    if (this.#streams.size === 0) left();
    else this.#left = left;
  }

  /** The client sends nothing more, so requests that are not complete never will be. */
  cancelUnfinished(): void {
    for (const stream of [...this.#streams.values()]) {
      if (stream.remoteHalf === "closed") continue;
      this.#sender.frames.reset(stream.id, NGHTTP2_CANCEL);
      this.#drop(stream);
    }
    this.#sender.flushSoon();
  }

  /** Answers a PING in the place of node:http2. */
  pong(payload: Uint8Array): void {
    this.#sender.frames.pong(payload);
  }

  /** The connection is closed. */
  close(): void {
    this.#isClosed = true;
    this.#sender.close();
    for (const stream of [...this.#streams.values()]) this.#drop(stream);
  }

  send(stream: DirectStream): void {
    this.#sender.schedule(stream);
  }

  reset(stream: DirectStream, code: number): void {
    this.#sender.frames.reset(stream.id, code);
    stream.reader = NO_READER;
    this.#drop(stream);
    this.#sender.flushSoon();
  }

  /** Sends what the windows and the socket permit. */
  flush(): void {
    this.#sender.flush();
  }

  /**
   * Returns a block for node:http2, which does not get all blocks and so has another dynamic table. It begins with the change of
   * that table's size to 0 that HTTP/2 demands after the server's settings (RFC 7541, 4.2); there may be several.
   */
  #forwarded(list: HeaderList, block: Buffer): Buffer {
    return Buffer.concat([EMPTY_TABLE, this.#decoder.isStateless ? block : encodeBlock(list.fields)]);
  }

  #open(id: number, head: RequestHead, begin: Begin, isLast: boolean): void {
    this.#last.begun = id;
    if (this.#isLeaving || this.#streams.size >= MAX_CONNECTION_STREAMS) {
      this.#refuse(id);
      return;
    }
    this.#last.served = id;
    const stream = new DirectStream(id, head, this, this.#initialWindow);
    this.#streams.set(id, stream);
    stream.reader = begin(stream);
    if (isLast) this.data(id, NOTHING, true);
  }

  /** RFC 9113, 5.1.2 and 6.8: the stream was not processed, so the client may try again. */
  #refuse(id: number): void {
    this.#sender.frames.reset(id, NGHTTP2_REFUSED_STREAM);
  }

  /** Returns whether a block on a known stream was handled here. */
  #trailers(id: number, { fields }: HeaderList, isLast: boolean): boolean {
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.isOver(id);
    // RFC 9113, 8.1: a second block is the trailers, and ends the request. Their content is not needed.
    if (isLast && areTrailers(fields)) this.data(id, NOTHING, true);
    else this.#fail(stream, NGHTTP2_PROTOCOL_ERROR);
    return true;
  }

  #sentLast(stream: DirectStream): void {
    stream.localHalf = "closed";
    stream.reader.sent();
    this.#settle(stream);
  }

  /** Forgets a stream whose both halves have ended. */
  #settle(stream: DirectStream): void {
    if (stream.localHalf !== "closed") return;
    if (stream.remoteHalf === "closed") {
      this.#remove(stream);
      return;
    }
    // The client still sends. If the stream were reset now, it might see that instead of the answer. So the rest is read and
    // discarded for a limited time, then it is asked to stop (RFC 9113, 8.1).
    stream.reader = NO_READER;
    stream.rest = this.#options.clock.setTimer(MAX_REFUSED_REQUEST_MS, () => {
      this.#sender.frames.reset(stream.id, NGHTTP2_NO_ERROR);
      this.#remove(stream);
      this.#sender.flushSoon();
    });
  }

  /** Ends a stream whose client violates the protocol. It counts as a reset by the client, which has caused it (CVE-2025-8671). */
  #fail(stream: DirectStream, code: number): void {
    this.#countReset();
    this.#sender.frames.reset(stream.id, code);
    this.#drop(stream);
  }

  #countReset(): void {
    if (!this.#options.mayReset()) this.#options.refuse(NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #drop(stream: DirectStream): void {
    const wasOpen = stream.localHalf !== "closed";
    stream.localHalf = "closed";
    stream.bodies.length = 0;
    stream.waiting = 0;
    this.#remove(stream);
    if (wasOpen) stream.reader.closed();
  }

  #remove(stream: DirectStream): void {
    stream.rest?.cancel();
    this.#sender.forget(stream);
    if (!this.#streams.delete(stream.id) || this.#streams.size > 0) return;
    this.idle();
    // What the last stream has sent must be passed to the socket first.
    if (this.#left !== undefined) process.nextTick(this.#left);
    this.#left = undefined;
  }
}

const EMPTY_TABLE = Buffer.from([0x20]);
const NOTHING = Buffer.alloc(0);
