import { MAX_UNSENT_BYTES } from "../limits.ts";
import { FrameWriter, MAX_FRAME_BYTES } from "./frames.ts";
import { TableSizeUpdate } from "./settings.ts";
import { SharedWindow } from "./shared-window.ts";
import type { Sink } from "./sink.ts";
import type { DirectStream } from "./stream.ts";

/** Bytes that a stream may send before the next one gets its turn. */
const TURN_BYTES = 64 * 1024;

/**
 * The sending half of a connection: the streams that Helios serves send in turn, as far as their windows, the window of the
 * connection, and the socket permit.
 *
 * A stream with something to send is in one of four places. It is ready, in the order of turns. It is blocked, while the window of
 * the connection is used up. If its own window is used up, it is in neither: the connection schedules it when the client widens
 * that window. If all that it had was sent, it is in neither, until it has more.
 */
export class Sender {
  /** Frames that are not a part of an answer are written here. They are sent by the next flush, before further answers. */
  readonly frames = new FrameWriter();
  readonly tableSize = new TableSizeUpdate();
  /** What both kinds of streams may send. */
  readonly window = new SharedWindow();
  readonly #sink: Sink;
  readonly #sentLast: (stream: DirectStream) => void;
  #ready: DirectStream[] = [];
  readonly #blocked = new Set<DirectStream>();
  /** Whether the server's settings were sent, which must come first (RFC 9113, 3.4). Node:http2 sends them. */
  #hasSettings = false;
  #isHeld = false;
  #isFlushing = false;
  #isClosed = false;

  /** `sentLast`: called when the last frame of a stream has been sent. */
  constructor(sink: Sink, sentLast: (stream: DirectStream) => void) {
    this.#sink = sink;
    this.#sentLast = sentLast;
  }

  /** Number of streams that wait for the connection's window. */
  get blocked(): number {
    return this.#blocked.size;
  }

  /** Gives a stream with something to send its turn. */
  schedule(stream: DirectStream): void {
    if (!stream.isScheduled) {
      stream.isScheduled = true;
      this.#ready.push(stream);
    }
    this.flushSoon();
  }

  /** The stream has ended. */
  forget(stream: DirectStream): void {
    this.#blocked.delete(stream);
  }

  /** Sends nothing until `release`, so that what many frames cause is sent together. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.flush();
  }

  /** The server's settings were sent. */
  settingsSent(): void {
    if (this.#hasSettings) return;
    this.#hasSettings = true;
    this.flushSoon();
  }

  /** The connection is closed. */
  close(): void {
    this.#isClosed = true;
  }

  flushSoon(): void {
    if (this.#isHeld || this.#isFlushing) return;
    this.#isFlushing = true;
    // After all promises that are settled now, so that a change for many streams is sent in few writes.
    process.nextTick(() => {
      this.#isFlushing = false;
      this.flush();
    });
  }

  /** Sends what the windows and the socket permit. */
  flush(): void {
    if (this.#isClosed || !this.#hasSettings) return;
    const sink = this.#sink;
    // A socket that takes everything at once does not tell when it has room again.
    do {
      this.#fill();
      for (const chunk of this.frames.take()) sink.write(chunk);
    } while (this.#ready.length > 0 && sink.waiting < MAX_UNSENT_BYTES);
    for (const stream of this.#ready) stream.noteBlocked();
  }

  /** Writes as many frames as the connection may hold. */
  #fill(): void {
    const sink = this.#sink;
    while (sink.waiting + this.frames.bytes < MAX_UNSENT_BYTES) {
      if (this.#ready.length === 0) this.#unblock();
      if (this.#ready.length === 0) return;
      const turn = this.#ready;
      this.#ready = [];
      for (let at = 0; at < turn.length; at += 1) {
        if (sink.waiting + this.frames.bytes >= MAX_UNSENT_BYTES) {
          this.#ready = [...turn.slice(at), ...this.#ready];
          return;
        }
        const stream = turn[at];
        if (stream === undefined || stream.localHalf === "closed") continue;
        stream.isScheduled = false;
        this.#sendPart(stream);
      }
    }
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
      this.schedule(stream);
    }
  }

  /** Sends what a stream may send in its turn. */
  #sendPart(stream: DirectStream): void {
    const { id, bodies } = stream;
    const isComplete = stream.localHalf === "complete";
    let isLast = false;
    if (stream.headBlock !== undefined) {
      isLast = isComplete && bodies.length === 0 && stream.trailerBlock === undefined;
      this.frames.headers(id, this.tableSize.before(stream.headBlock), isLast);
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
        this.schedule(stream);
        return;
      }
      left -= length;
      isLast = isComplete && bodies.length === 1 && length === rest && stream.trailerBlock === undefined;
      this.frames.data(id, body, stream.sentOfFirst, stream.sentOfFirst + length, isLast);
      stream.sendWindow -= length;
      this.window.use(length);
      stream.waiting -= length;
      stream.sentOfFirst = length < rest ? stream.sentOfFirst + length : 0;
      if (length === rest) bodies.shift();
    }
    if (stream.trailerBlock !== undefined) {
      this.frames.headers(id, this.tableSize.before(stream.trailerBlock), true);
      isLast = true;
    }
    if (isLast) this.#sentLast(stream);
    else if (hadBodies) stream.reader.drained();
  }
}
