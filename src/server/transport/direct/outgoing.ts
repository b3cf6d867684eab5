import type { DirectConnection } from "./connection.ts";
import { FLAG, FRAME, FRAME_HEAD_BYTES } from "./frames.ts";

type Done = (error?: Error | null) => void;

/** Bytes that wait for the window before node:http2 is asked to wait as well. @limit bytes */
const MAX_WAITING_BYTES = 64 * 1024;

/** A frame that waits. */
interface Waiting {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  /** The payload, or what is left of it. */
  readonly payload: Buffer[];
  bytes: number;
}

/**
 * What node:http2 sends on a connection whose window it shares with direct streams. It does not know that they use up the
 * window, so its DATA frames wait here until the client accepts them. What follows waits as well, because blocks of headers must
 * keep their order, and trailers must follow their data. Frames that let the client go on, and those about the connection, pass.
 */
export class Outgoing {
  readonly #direct: DirectConnection;
  readonly #write: (bytes: Buffer, done: Done) => void;
  /** Remaining bytes of a frame whose head was read, and where they go: to a frame that waits, or out. */
  #left = 0;
  #target: Waiting | undefined;
  /** The beginning of a frame's head. */
  #partial: Buffer | undefined;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** What node:http2 waits for. */
  #done: Done | undefined;
  #sent: (() => void) | undefined;
  #isAbandoned = false;

  constructor(direct: DirectConnection, write: (bytes: Buffer, done: Done) => void) {
    this.#direct = direct;
    this.#write = write;
  }

  /**
   * Sends parts of frames, or lets them wait. `done` is called when more may come. There must be no second call before that.
   */
  send(parts: readonly Buffer[], done: Done): void {
    const out: Buffer[] = [];
    for (const part of parts) this.#take(part, out);
    this.#done = done;
    this.#flush(out);
  }

  /** Whether node:http2 sends nothing until the client accepts more. */
  get isHolding(): boolean {
    return this.#waitingBytes > MAX_WAITING_BYTES;
  }

  /** The client accepts more bytes. */
  resume(): void {
    const out: Buffer[] = [];
    while (this.#waiting.length > 0 && this.#sendFirst(out));
    if (this.#waiting.length === 0) this.#direct.resume();
    this.#flush(out);
    if (this.#waiting.length > 0) return;
    const sent = this.#sent;
    this.#sent = undefined;
    sent?.();
  }

  /** Whether anything waits. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Calls `sent` when nothing waits any more. */
  whenSent(sent: () => void): void {
    this.#sent = sent;
  }

  /** The client has reset a stream. Its data are not sent any more; blocks of headers are, because others depend on them. */
  forget(stream: number): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter((one) => {
      const isKept = one.type !== FRAME.DATA || one.stream !== stream || this.#isIncomplete(one);
      if (!isKept) this.#waitingBytes -= FRAME_HEAD_BYTES + one.bytes;
      return isKept;
    });
    this.resume();
  }

  /** The connection is to be closed. What waits for the client's window is not sent any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#target = undefined;
    this.#flush([]);
  }

  #flush(out: readonly Buffer[]): void {
    const done = this.isHolding ? undefined : this.#done;
    if (done !== undefined) this.#done = undefined;
    const fail: Done = (error) => {
      if (error && done === undefined) this.#giveUp(error);
      else done?.(error);
    };
    if (out.length === 0) {
      done?.();
      return;
    }
    this.#write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out), fail);
    this.#direct.settingsSent();
  }

  #giveUp(error: Error): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(error);
  }

  /** Divides a part into frames, of which each goes out or waits. */
  #take(part: Buffer, out: Buffer[]): void {
    const bytes = this.#partial === undefined ? part : Buffer.concat([this.#partial, part]);
    this.#partial = undefined;
    let at = 0;
    for (;;) {
      const taken = Math.min(this.#left, bytes.length - at);
      if (taken > 0) this.#pass(bytes.subarray(at, at + taken), out);
      this.#left -= taken;
      at += taken;
      if (at === bytes.length) return;
      if (bytes.length - at < FRAME_HEAD_BYTES) {
        this.#partial = bytes.subarray(at);
        return;
      }
      this.#begin(bytes, at, out);
      at += FRAME_HEAD_BYTES;
    }
  }

  #pass(payload: Buffer, out: Buffer[]): void {
    if (this.#target === undefined) out.push(payload);
    else this.#target.payload.push(payload);
  }

  /** Decides where a frame goes. */
  #begin(bytes: Buffer, at: number, out: Buffer[]): void {
    const length = bytes.readUIntBE(at, 3);
    const type = bytes[at + 3] ?? 0;
    const flags = bytes[at + 4] ?? 0;
    this.#left = length;
    this.#target = undefined;
    const mustWait =
      this.#waiting.length > 0 || (type === FRAME.DATA && length > 0 && !this.#direct.window.take(length));
    if (!mustWait || this.#isAbandoned || PASSING.has(type)) {
      if (type === FRAME.GOAWAY) this.#includeDirect(bytes, at + FRAME_HEAD_BYTES);
      this.#note(type, flags);
      out.push(bytes.subarray(at, at + FRAME_HEAD_BYTES));
      return;
    }
    this.#target = { type, flags, stream: bytes.readUInt32BE(at + 5), payload: [], bytes: length };
    this.#waiting.push(this.#target);
    this.#waitingBytes += FRAME_HEAD_BYTES + length;
  }

  /** Sends the first frame that waits, or as much of its data as the window permits. Returns whether the next may follow. */
  #sendFirst(out: Buffer[]): boolean {
    const first = this.#waiting[0] as Waiting;
    const { type, flags, stream } = first;
    if (this.#isIncomplete(first)) return false;
    const permitted = type === FRAME.DATA ? this.#direct.window.takeUpTo(first.bytes) : first.bytes;
    const isWhole = permitted === first.bytes;
    if (permitted === 0 && !isWhole) return false;
    const payload = Buffer.concat(first.payload);
    out.push(
      headOf(permitted, type, isWhole ? flags : flags & ~FLAG.END_STREAM, stream),
      payload.subarray(0, permitted),
    );
    this.#waitingBytes -= permitted;
    if (!isWhole) {
      first.payload.splice(0, first.payload.length, payload.subarray(permitted));
      first.bytes -= permitted;
      return false;
    }
    this.#waitingBytes -= FRAME_HEAD_BYTES;
    this.#waiting.shift();
    this.#note(type, flags);
    return true;
  }

  /** Whether a part of a frame has not come from node:http2. */
  #isIncomplete(frame: Waiting): boolean {
    return frame === this.#target && this.#left > 0;
  }

  /** A frame is sent now. */
  #note(type: number, flags: number): void {
    if (type === FRAME.SETTINGS && (flags & FLAG.ACK) !== 0) this.#direct.tableSize.acknowledged();
    if (type === FRAME.HEADERS) this.#direct.tableSize.sentElsewhere();
  }

  /** Node:http2 does not know the direct streams, which the client must not consider unprocessed (RFC 9113, 6.8). */
  #includeDirect(bytes: Buffer, at: number): void {
    if (bytes.length < at + 4) return;
    bytes.writeUInt32BE(Math.max(bytes.readUInt32BE(at) & 0x7fffffff, this.#direct.lastServed), at);
  }
}

const PASSING: ReadonlySet<number> = new Set([FRAME.PING, FRAME.WINDOW_UPDATE, FRAME.GOAWAY]);

function headOf(length: number, type: number, flags: number, stream: number): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return head;
}
