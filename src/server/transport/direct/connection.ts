import { constants } from "node:http2";
import type { Clock } from "../../../core/index.ts";
import { type HeaderList, HpackDecoder } from "../hpack/decoder.ts";
import { encodeBlock } from "../hpack/encoder.ts";
import { MAX_CONNECTION_STREAMS, MAX_REFUSED_REQUEST_MS, MAX_UNSENT_BYTES } from "../limits.ts";
import { FrameWriter, MAX_FRAME_BYTES } from "./frames.ts";
import { areTrailers, type RequestHead, readHead } from "./head.ts";
import { KnownHeads } from "./known-heads.ts";
import { type ClientSettings, TableSizeUpdate } from "./settings.ts";
import { INITIAL_WINDOW_BYTES, LARGEST_WINDOW, SharedWindow } from "./shared-window.ts";
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
/** Bytes that a stream may send before the next one gets its turn. */
const TURN_BYTES = 64 * 1024;

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

/**
 * The streams of one HTTP/2 connection that Helios serves itself. node:http2 serves all others on the same connection. The
 * two share the window of the connection for sent data, and nothing else.
 */
export class DirectConnection implements StreamHost {
  readonly peer: string;
  /** Where node:http2 writes, too. */
  readonly sink: Sink;
  identity: object = this;
  readonly tableSize = new TableSizeUpdate();
  /** What both kinds of streams may send. */
  readonly window = new SharedWindow();
  /** Called when the last stream has ended. */
  idle: () => void = () => {};
  readonly #options: DirectOptions;
  readonly #streams = new Map<number, DirectStream>();
  readonly #out = new FrameWriter();
  readonly #decoder = new HpackDecoder();
  readonly #known = new KnownHeads();
  /** The streams that have something to send and may send it, in turn. */
  #ready: DirectStream[] = [];
  /** The streams that wait for the connection's window. */
  readonly #blocked = new Set<DirectStream>();
  #initialWindow = INITIAL_WINDOW_BYTES;
  /** Received bytes that were not yet given back to the client. */
  #unreturned = 0;
  /** The client's last streams: of all, of those that were not refused, and of those that node:http2 got. */
  #lastStream = 0;
  #lastServed = 0;
  #lastElsewhere = 0;
  /** Whether the server's settings were sent, which must come first (RFC 9113, 3.4). Node:http2 sends them. */
  #hasSettings = false;
  #isReading = false;
  #isFlushing = false;
  #isClosed = false;
  /** Waits for the end of the last stream. */
  #left: (() => void) | undefined;
  /** Whether new streams are refused, because the connection is being closed. */
  #isLeaving = false;

  constructor(options: DirectOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.sink = options.sink;
  }

  /** Number of streams that wait for the connection's window. */
  get blocked(): number {
    return this.#blocked.size;
  }

  /** Number of streams that have not ended. */
  get size(): number {
    return this.#streams.size;
  }

  /** The last stream that was served, here or by node:http2. It does not grow after `leave` (RFC 9113, 6.8). */
  get lastServed(): number {
    return this.#lastServed;
  }

  /** Whether frames of that stream belong here. */
  has(stream: number): boolean {
    return this.#streams.has(stream);
  }

  /** Whether the stream has ended here, so that late frames mean nothing. */
  isOver(stream: number): boolean {
    return stream > this.#lastElsewhere && stream <= this.#lastStream && !this.#streams.has(stream);
  }

  /** Call before and after the frames of one chunk from the socket, so that what they cause is sent together. */
  beginRead(): void {
    this.#isReading = true;
  }

  endRead(): void {
    this.#isReading = false;
    this.flush();
  }

  /**
   * Handles a complete header block. Returns the block that node:http2 must get instead, or undefined if the stream is served
   * here. Throws HpackError. `isWhole`: no field was left out; otherwise the request is never served here.
   */
  headers(id: number, block: Buffer, isLast: boolean, isWhole = true): Buffer | undefined {
    const isNew = id % 2 === 1 && id > this.#lastStream;
    const known = isNew && isWhole ? this.#known.find(block) : undefined;
    if (known !== undefined) {
      this.#open(id, known.head, known.begin, isLast);
      return undefined;
    }
    const list = this.#decoder.decode(block);
    if (!isNew) return this.#trailers(id, list, isLast) ? undefined : this.#forwarded(list, block);
    this.#lastStream = id;
    if (this.#isLeaving) {
      this.#refuse(id);
      return undefined;
    }
    if (list.truncated) {
      this.#out.reset(id, NGHTTP2_ENHANCE_YOUR_CALM);
      return undefined;
    }
    const head = isWhole ? readHead(list.fields) : undefined;
    const begin = head === undefined ? undefined : this.#options.accept(head);
    if (head === undefined || begin === undefined) {
      this.#lastServed = id;
      this.#lastElsewhere = id;
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
    if (stream.isRemoteEnded) {
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
      stream.isRemoteEnded = isLast;
      stream.reader.data(bytes, isLast);
      // A request that is answered already is still read to its end.
      if (!isLast && this.#streams.has(id) && stream.unreturned >= WINDOW_STEP_BYTES) {
        this.#out.window(id, stream.unreturned);
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
      this.#out.window(0, this.#unreturned);
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
      if (stream.hasToSend) this.send(stream);
    }
  }

  /**
   * The client accepts more bytes on the connection. Returns the bytes of which node:http2 must learn, or undefined if the window
   * would exceed its limit: the connection cannot go on (RFC 9113, 6.9.1).
   */
  widenConnection(bytes: number): number | undefined {
    const rest = this.window.widen(bytes);
    if (rest !== undefined) this.#flushSoon();
    return rest;
  }

  /** The client has sent settings. Returns false if the connection cannot go on; see `setInitialWindow`. */
  takeSettings({ initialWindow, tableSizes }: ClientSettings): boolean {
    this.tableSize.announced(tableSizes);
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
      if (change > 0 && stream.hasToSend) this.send(stream);
    }
    return true;
  }

  /** Node:http2 has sent the server's settings. */
  settingsSent(): void {
    if (this.#hasSettings) return;
    this.#hasSettings = true;
    this.#flushSoon();
  }

  /** Node:http2 no longer waits for the window. */
  resume(): void {
    this.window.free();
    this.#flushSoon();
  }

  /** Announces that the connection will be closed. Further streams are refused. `left` is called when the last has ended. */
  leave(left: () => void): void {
    if (this.#isLeaving || this.#isClosed) return;
    this.#isLeaving = true;
    this.#out.goAway(this.#lastServed, NGHTTP2_NO_ERROR);
    this.flush();
    if (this.#streams.size === 0) left();
    else this.#left = left;
  }

  /** The client sends nothing more, so requests that are not complete never will be. */
  cancelUnfinished(): void {
    for (const stream of [...this.#streams.values()]) {
      if (stream.isRemoteEnded) continue;
      this.#out.reset(stream.id, NGHTTP2_CANCEL);
      this.#drop(stream);
    }
    this.#flushSoon();
  }

  /** Answers a PING in the place of node:http2. */
  pong(payload: Uint8Array): void {
    this.#out.pong(payload);
  }

  /** The connection is closed. */
  close(): void {
    this.#isClosed = true;
    for (const stream of [...this.#streams.values()]) this.#drop(stream);
  }

  send(stream: DirectStream): void {
    if (!stream.isScheduled) {
      stream.isScheduled = true;
      this.#ready.push(stream);
    }
    this.#flushSoon();
  }

  reset(stream: DirectStream, code: number): void {
    this.#out.reset(stream.id, code);
    stream.reader = NO_READER;
    this.#drop(stream);
    this.#flushSoon();
  }

  /** Sends what the windows and the socket permit. */
  flush(): void {
    const { sink } = this.#options;
    if (this.#isClosed || !this.#hasSettings) return;
    // A socket that takes everything at once does not tell when it has room again.
    do {
      this.#fill();
      for (const chunk of this.#out.take()) sink.write(chunk);
    } while (this.#ready.length > 0 && sink.waiting < MAX_UNSENT_BYTES);
    for (const stream of this.#ready) stream.noteBlocked();
  }

  /** Writes as many frames as the connection may hold. */
  #fill(): void {
    const { sink } = this.#options;
    while (sink.waiting + this.#out.bytes < MAX_UNSENT_BYTES) {
      if (this.#ready.length === 0) this.#unblock();
      if (this.#ready.length === 0) return;
      const turn = this.#ready;
      this.#ready = [];
      for (let at = 0; at < turn.length; at += 1) {
        if (sink.waiting + this.#out.bytes >= MAX_UNSENT_BYTES) {
          this.#ready = [...turn.slice(at), ...this.#ready];
          return;
        }
        const stream = turn[at];
        if (stream === undefined || stream.isClosed) continue;
        stream.isScheduled = false;
        this.#sendPart(stream);
      }
    }
  }

  /**
   * Returns a block for node:http2, which does not get all blocks and so has another dynamic table. It begins with the change of
   * that table's size to 0 that HTTP/2 demands after the server's settings (RFC 7541, 4.2); there may be several.
   */
  #forwarded(list: HeaderList, block: Buffer): Buffer {
    return Buffer.concat([EMPTY_TABLE, this.#decoder.isStateless ? block : encodeBlock(list.fields)]);
  }

  #flushSoon(): void {
    if (this.#isReading || this.#isFlushing) return;
    this.#isFlushing = true;
    // After all promises that are settled now, so that a change for many streams is sent in few writes.
    process.nextTick(() => {
      this.#isFlushing = false;
      this.flush();
    });
  }

  /**
   * Lets streams go on that wait for the connection's window. No more of them than can use it: a client may have thousands, and
   * accept one byte at a time.
   */
  #unblock(): void {
    let left = this.window.left;
    for (const stream of this.#blocked) {
      if (left <= 0) return;
      this.#blocked.delete(stream);
      left -= Math.min(stream.waiting, Math.max(0, stream.sendWindow));
      this.send(stream);
    }
  }

  #open(id: number, head: RequestHead, begin: Begin, isLast: boolean): void {
    this.#lastStream = id;
    if (this.#isLeaving || this.#streams.size >= MAX_CONNECTION_STREAMS) {
      this.#refuse(id);
      return;
    }
    this.#lastServed = id;
    const stream = new DirectStream(id, head, this, this.#initialWindow);
    this.#streams.set(id, stream);
    stream.reader = begin(stream);
    if (isLast) this.data(id, NOTHING, true);
  }

  /** RFC 9113, 5.1.2 and 6.8: the stream was not processed, so the client may try again. */
  #refuse(id: number): void {
    this.#out.reset(id, NGHTTP2_REFUSED_STREAM);
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

  /** Sends what a stream may send in its turn. */
  #sendPart(stream: DirectStream): void {
    const { id, bodies } = stream;
    let isLast = false;
    if (stream.headBlock !== undefined) {
      isLast = stream.isEnded && bodies.length === 0 && stream.trailerBlock === undefined;
      this.#out.headers(id, this.tableSize.before(stream.headBlock), isLast);
      stream.headBlock = undefined;
    }
    const hadBodies = bodies.length > 0;
    for (let left = TURN_BYTES; bodies.length > 0; ) {
      const body = bodies[0] as Uint8Array;
      const rest = body.length - stream.sentOfFirst;
      const length = Math.min(rest, MAX_FRAME_BYTES, stream.sendWindow, this.window.left);
      if (length <= 0) {
        // A stream whose own window is closed comes back when the client widens it.
        if (stream.sendWindow > 0) this.#blocked.add(stream);
        stream.noteBlocked();
        return;
      }
      if (left <= 0) {
        this.send(stream);
        return;
      }
      left -= length;
      isLast = stream.isEnded && bodies.length === 1 && length === rest && stream.trailerBlock === undefined;
      this.#out.data(id, body, stream.sentOfFirst, stream.sentOfFirst + length, isLast);
      stream.sendWindow -= length;
      this.window.use(length);
      stream.waiting -= length;
      stream.sentOfFirst = length < rest ? stream.sentOfFirst + length : 0;
      if (length === rest) bodies.shift();
    }
    if (stream.trailerBlock !== undefined) {
      this.#out.headers(id, this.tableSize.before(stream.trailerBlock), true);
      isLast = true;
    }
    if (isLast) this.#sentLast(stream);
    else if (hadBodies) stream.reader.drained();
  }

  #sentLast(stream: DirectStream): void {
    stream.isClosed = true;
    stream.reader.sent();
    this.#settle(stream);
  }

  /** Forgets a stream whose both halves have ended. */
  #settle(stream: DirectStream): void {
    if (!stream.isClosed) return;
    if (stream.isRemoteEnded) {
      this.#remove(stream);
      return;
    }
    // The client still sends. If the stream were reset now, it might see that instead of the answer. So the rest is read and
    // discarded for a limited time, then it is asked to stop (RFC 9113, 8.1).
    stream.reader = NO_READER;
    stream.rest = this.#options.clock.setTimer(MAX_REFUSED_REQUEST_MS, () => {
      this.#out.reset(stream.id, NGHTTP2_NO_ERROR);
      this.#remove(stream);
      this.#flushSoon();
    });
  }

  /** Ends a stream whose client violates the protocol. It counts as a reset by the client, which has caused it (CVE-2025-8671). */
  #fail(stream: DirectStream, code: number): void {
    this.#countReset();
    this.#out.reset(stream.id, code);
    this.#drop(stream);
  }

  #countReset(): void {
    if (!this.#options.mayReset()) this.#options.refuse(NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #drop(stream: DirectStream): void {
    const wasOpen = !stream.isClosed;
    stream.isClosed = true;
    stream.bodies.length = 0;
    stream.waiting = 0;
    this.#remove(stream);
    if (wasOpen) stream.reader.closed();
  }

  #remove(stream: DirectStream): void {
    stream.rest?.cancel();
    this.#blocked.delete(stream);
    if (!this.#streams.delete(stream.id) || this.#streams.size > 0) return;
    this.idle();
    // What the last stream has sent must be passed to the socket first.
    if (this.#left !== undefined) process.nextTick(this.#left);
    this.#left = undefined;
  }
}

const EMPTY_TABLE = Buffer.from([0x20]);
const NOTHING = Buffer.alloc(0);
