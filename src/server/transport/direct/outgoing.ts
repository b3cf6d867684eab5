import type { DirectConnection } from "./connection.ts";
import { FLAG, FRAME, FRAME_HEAD_BYTES } from "./frames.ts";

type Done = (error?: Error | null) => void;

/**
 * What node:http2 sends on a connection whose window it shares with direct streams. It does not know that they use up the
 * window, so its DATA frames wait here until the client accepts them. What follows such a frame waits as well.
 */
export class Outgoing {
  readonly #direct: DirectConnection;
  readonly #write: (bytes: Buffer, done: Done) => void;
  /** Remaining bytes of a frame whose head was sent. */
  #left = 0;
  /** The beginning of a frame's head. */
  #partial: Buffer | undefined;
  #held: { readonly parts: readonly Buffer[]; readonly done: Done } | undefined;

  #isAbandoned = false;

  constructor(direct: DirectConnection, write: (bytes: Buffer, done: Done) => void) {
    this.#direct = direct;
    this.#write = write;
  }

  /** Sends parts of frames. `done` is called when all of them were sent. There must be no second call before that. */
  send(parts: readonly Buffer[], done: Done): void {
    const ready: Buffer[] = [];
    let held: Buffer[] | undefined;
    for (const [index, part] of parts.entries()) {
      const bytes = this.#partial === undefined ? part : Buffer.concat([this.#partial, part]);
      this.#partial = undefined;
      const end = this.#scan(bytes);
      if (end > 0) ready.push(bytes.subarray(0, end));
      if (end === bytes.length) continue;
      if (bytes.length - end < FRAME_HEAD_BYTES) this.#partial = bytes.subarray(end);
      else {
        held = [bytes.subarray(end), ...parts.slice(index + 1)];
        break;
      }
    }
    if (this.#isAbandoned) held = undefined;
    if (held !== undefined) this.#held = { parts: held, done };
    const sent: Done = held === undefined ? done : (error) => error && this.#giveUp(error);
    if (ready.length > 0) this.#write(ready.length === 1 ? (ready[0] as Buffer) : Buffer.concat(ready), sent);
    else if (held === undefined) done();
    if (ready.length > 0) this.#direct.settingsSent();
  }

  /** Whether frames wait. Node:http2 sends nothing until they have gone. */
  get isHolding(): boolean {
    return this.#held !== undefined;
  }

  /** The client accepts more bytes. */
  resume(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.send(held.parts, held.done);
    if (this.#held === undefined) this.#direct.resume();
  }

  /** The connection is to be closed. What waits for the client's window is not sent any more. */
  abandon(): void {
    this.#isAbandoned = true;
    const held = this.#held;
    this.#held = undefined;
    held?.done();
  }

  #giveUp(error: Error): void {
    const held = this.#held;
    this.#held = undefined;
    held?.done(error);
  }

  /** Returns how many of these bytes may be sent: up to a DATA frame that must wait, or to an incomplete head. */
  #scan(bytes: Buffer): number {
    let at = 0;
    for (;;) {
      const taken = Math.min(this.#left, bytes.length - at);
      this.#left -= taken;
      at += taken;
      if (this.#left > 0 || bytes.length - at < FRAME_HEAD_BYTES) return at;
      const length = bytes.readUIntBE(at, 3);
      const type = bytes[at + 3];
      if (type === FRAME.DATA && length > 0 && !this.#direct.takeWindow(length)) return at;
      if (type === FRAME.GOAWAY) this.#includeDirect(bytes, at + FRAME_HEAD_BYTES);
      if (type === FRAME.SETTINGS && ((bytes[at + 4] ?? 0) & FLAG.ACK) !== 0) this.#direct.tableSize.acknowledged();
      if (type === FRAME.HEADERS) this.#direct.tableSize.sentElsewhere();
      this.#left = length;
      at += FRAME_HEAD_BYTES;
    }
  }

  /** Node:http2 does not know the direct streams, which the client must not consider unprocessed (RFC 9113, 6.8). */
  #includeDirect(bytes: Buffer, at: number): void {
    if (bytes.length < at + 4) return;
    bytes.writeUInt32BE(Math.max(bytes.readUInt32BE(at) & 0x7fffffff, this.#direct.lastServed), at);
  }
}
