/** Bytes that may be in flight at the beginning, on a connection and on each of its streams (RFC 9113, 6.9.2). */
export const INITIAL_WINDOW_BYTES = 65_535;
/** What a window may not exceed (RFC 9113, 6.9.1). */
export const LARGEST_WINDOW = 2 ** 31 - 1;

/**
 * The bytes that a client accepts on a connection (RFC 9113, 6.9.1). Direct streams and node:http2 share them. Node:http2 keeps a
 * window of its own, and does not know what direct streams use of it, so it asks here before it sends data.
 */
export class SharedWindow {
  #bytes = INITIAL_WINDOW_BYTES;
  /** Bytes that direct streams have sent. node:http2 must not learn that they are given back to the window. */
  #borrowed = 0;
  /** Whether node:http2 waits for the window. It goes first. */
  #isElsewhereWaiting = false;

  /** What direct streams may send now. */
  get left(): number {
    return this.#isElsewhereWaiting ? 0 : this.#bytes;
  }

  /** A direct stream has sent bytes. */
  use(bytes: number): void {
    this.#bytes -= bytes;
    this.#borrowed += bytes;
  }

  /** Takes a part for node:http2. If there is not enough, it must wait. */
  take(bytes: number): boolean {
    this.#isElsewhereWaiting = this.#bytes < bytes;
    if (!this.#isElsewhereWaiting) this.#bytes -= bytes;
    return !this.#isElsewhereWaiting;
  }

  /** Takes as much for node:http2 as there is, up to `bytes`. Returns how much. If that is less, it must go on waiting. */
  takeUpTo(bytes: number): number {
    const taken = Math.max(0, Math.min(bytes, this.#bytes));
    this.#isElsewhereWaiting = taken < bytes;
    this.#bytes -= taken;
    return taken;
  }

  /** Node:http2 no longer waits. */
  free(): void {
    this.#isElsewhereWaiting = false;
  }

  /**
   * The client accepts more bytes. Returns the bytes of which node:http2 must learn. It never learns that bytes were sent here,
   * so it must not learn that they may be sent again. Undefined if the window would exceed its limit, which node:http2 may not
   * notice: it counts frames as sent that still wait for the window.
   */
  widen(bytes: number): number | undefined {
    if (this.#bytes + bytes > LARGEST_WINDOW) return undefined;
    const own = Math.min(bytes, this.#borrowed);
    this.#borrowed -= own;
    this.#bytes += bytes;
    return bytes - own;
  }
}
