import type { Clock, Timer } from "../../core/index.ts";
import { HEADERS_TIMEOUT_MS, MAX_UNFINISHED_HEADERS_BYTES } from "./limits.ts";

/** Bytes of unfinished header blocks on all connections of a port. */
export interface UnfinishedHeaders {
  bytes: number;
}

/** Bounds what one connection holds of a frame or a header block that has not arrived whole: its bytes, and its time. */
export class Unfinished {
  readonly #all: UnfinishedHeaders;
  readonly #clock: Clock;
  readonly #exceeded: () => void;
  #bytes = 0;
  /** When the frame or the block began. */
  #since = 0;
  #timer: Timer | undefined;

  /** `exceeded`: called when the connection exceeds a limit. It must release what is held. */
  constructor(all: UnfinishedHeaders, clock: Clock, exceeded: () => void) {
    this.#all = all;
    this.#clock = clock;
    this.#exceeded = exceeded;
  }

  /** Notes how many bytes are held now. `isNew`: they belong to another frame or block than before. */
  hold(bytes: number, isNew: boolean): void {
    if (this.#bytes === 0 || isNew) this.#since = this.#clock.monotonic();
    this.#all.bytes += bytes - this.#bytes;
    this.#bytes = bytes;
    if (bytes === 0) return;
    if (this.#all.bytes > MAX_UNFINISHED_HEADERS_BYTES) this.#exceeded();
    else this.#timer ??= this.#clock.setTimer(HEADERS_TIMEOUT_MS, () => this.#expire());
  }

  /** Nothing is held any more. Call it at the end of the connection. */
  release(): void {
    this.#all.bytes -= this.#bytes;
    this.#bytes = 0;
    this.#timer?.cancel();
  }

  /** The timer is not restarted for each frame. Instead, it checks the time when it fires. */
  #expire(): void {
    this.#timer = undefined;
    if (this.#bytes === 0) return;
    const left = this.#since + HEADERS_TIMEOUT_MS - this.#clock.monotonic();
    if (left > 0) this.#timer = this.#clock.setTimer(left, () => this.#expire());
    else this.#exceeded();
  }
}
