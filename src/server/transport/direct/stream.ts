import { constants } from "node:http2";
import type { Timer } from "../../../core/index.ts";
import type { RequestHead } from "./head.ts";

/** Decides whether a request is served directly. Returns what begins it. */
export type Accept = (head: RequestHead) => Begin | undefined;
/** Begins a request, and returns the reader of its body. */
export type Begin = (stream: DirectStream) => StreamReader;

/** Receives what the client sends on a stream. */
export interface StreamReader {
  /**
   * A part of the request's body. The bytes are only valid during the call: they belong to a larger chunk. `isLast`: the
   * body is complete.
   */
  data(bytes: Buffer, isLast: boolean): void;
  /** The stream has ended before the answer was complete: the client has reset it, or the connection is closed. */
  closed(): void;
  /** Everything that was written has been passed to the connection. */
  drained(): void;
  /** Something that was written cannot be sent, because the client reads too slowly. Once for each stream. */
  blocked(): void;
  /** The whole answer has been passed to the connection. Nothing follows. */
  sent(): void;
}

/** What a stream needs of its connection. */
export interface StreamHost {
  /** Sends what the stream has to send, as far as windows and the socket permit. */
  send(stream: DirectStream): void;
  /** Ends the stream at once, with HTTP/2's error code. Its reader is not notified. */
  reset(stream: DirectStream, code: number): void;
  /** Identifies the connection, also to what counts the requests that node:http2 serves. */
  readonly identity: object;
  /** Address and port of the client. */
  readonly peer: string;
}

/** Ignores everything. */
export const NO_READER: StreamReader = { data() {}, closed() {}, drained() {}, blocked() {}, sent() {} };

/**
 * Our half of a stream. `idle`: the answer has not begun. `open`: it has begun, even if nothing was sent, and more may follow.
 * `complete`: nothing follows, but it may have to be sent. `closed`: END_STREAM was sent, or the stream was reset.
 */
type LocalHalf = "idle" | "open" | "complete" | "closed";

/**
 * One HTTP/2 stream that Helios serves itself. Its state is public to its connection; everybody else calls the methods.
 *
 * By RFC 9113, 5.1, it is "open" until one half is closed, "half-closed (remote)" after the client's half, "half-closed (local)"
 * after ours, and "closed" after both. Then the connection forgets it. A reset closes it at once.
 */
export class DirectStream {
  readonly id: number;
  readonly head: RequestHead;
  readonly host: StreamHost;
  reader: StreamReader = NO_READER;
  /** Bytes that may still be sent. Negative after the client has reduced the window of its streams (RFC 9113, 6.9.2). */
  sendWindow: number;
  /** Bytes of DATA frames that were received, with padding, and not yet given back to the client's window. */
  unreturned = 0;
  /** Bytes of the body so far, to be compared with content-length (RFC 9113, 8.1.1). */
  received = 0;
  /** The client's half. It is closed by END_STREAM. */
  remoteHalf: "open" | "closed" = "open";
  localHalf: LocalHalf = "idle";
  /** Ends the wait for the rest of a request that is answered already. */
  rest: Timer | undefined;
  /** Whether the sender has it in the order of turns. */
  isScheduled = false;
  /** What is to be sent: at most one header block, then bodies, then at most one block of trailers. */
  headBlock: Uint8Array | undefined;
  readonly bodies: Uint8Array[] = [];
  /** Bytes of the first body that were sent. */
  sentOfFirst = 0;
  trailerBlock: Uint8Array | undefined;
  /** Bytes of bodies that wait. */
  waiting = 0;
  /** Whether its reader knows that it is blocked. */
  #hasToldBlocked = false;

  constructor(id: number, head: RequestHead, host: StreamHost, sendWindow: number) {
    this.id = id;
    this.head = head;
    this.host = host;
    this.sendWindow = sendWindow;
  }

  /** Whether something may be sent, as soon as the windows permit. */
  get hasToSend(): boolean {
    if (this.localHalf === "closed") return false;
    return this.localHalf === "complete" || this.headBlock !== undefined || this.bodies.length > 0;
  }

  /** Whether the answer has begun, even if nothing of it was sent. */
  get hasBegun(): boolean {
    return this.localHalf !== "idle";
  }

  get #mayWrite(): boolean {
    return this.localHalf === "idle" || this.localHalf === "open";
  }

  /** Tells the reader, once, that what it has written cannot be sent. */
  noteBlocked(): void {
    if (this.#hasToldBlocked) return;
    this.#hasToldBlocked = true;
    this.reader.blocked();
  }

  get connection(): object {
    return this.host.identity;
  }

  get peer(): string {
    return this.host.peer;
  }

  /** Ends the stream at once, because the client reads too slowly. gRPC shows it as RESOURCE_EXHAUSTED. */
  cut(): void {
    this.reset(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  /** Answers at once and completely. Without trailers, the body ends the stream. */
  answer(headBlock: Uint8Array, body: Uint8Array | undefined, trailerBlock: Uint8Array | undefined): void {
    if (!this.#mayWrite) return;
    this.headBlock = headBlock;
    if (body !== undefined && body.length > 0) this.#add(body);
    this.trailerBlock = trailerBlock;
    this.localHalf = "complete";
    this.host.send(this);
  }

  /** Begins an answer of several parts. */
  begin(headBlock: Uint8Array): void {
    if (!this.#mayWrite) return;
    this.headBlock = headBlock;
    this.localHalf = "open";
    this.host.send(this);
  }

  /** Adds a part. If `waiting` is above 0 afterwards, `drained` of the reader follows. */
  write(body: Uint8Array): void {
    if (!this.#mayWrite || body.length === 0) return;
    this.#add(body);
    this.host.send(this);
  }

  end(trailerBlock: Uint8Array): void {
    if (!this.#mayWrite) return;
    this.trailerBlock = trailerBlock;
    this.localHalf = "complete";
    this.host.send(this);
  }

  /** Ends the stream at once, with HTTP/2's error code. */
  reset(code: number): void {
    if (this.localHalf !== "closed") this.host.reset(this, code);
  }

  #add(body: Uint8Array): void {
    this.bodies.push(body);
    this.waiting += body.length;
  }
}
