const NOTHING = Buffer.alloc(0);

/**
 * A body that comes in parts. It is held in one piece that grows, so that a body in parts of one byte takes no more memory than
 * one in large parts: at most twice its size.
 */
export class Gathered {
  #held: Buffer = NOTHING;
  #size = 0;

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of memory that are held. */
  get held(): number {
    return this.#held.length;
  }

  /** What has come. It is only valid until the next part. */
  get bytes(): Buffer {
    return this.#held.subarray(0, this.#size);
  }

  /** Adds a copy of a part. */
  add(part: Uint8Array): void {
    const size = this.#size + part.length;
    if (size > this.#held.length) {
      // Not from the platform's pool: a part of that would keep the whole piece.
      const larger = Buffer.allocUnsafeSlow(Math.max(size, 2 * this.#held.length));
      this.#held.copy(larger, 0, 0, this.#size);
      this.#held = larger;
    }
    this.#held.set(part, this.#size);
    this.#size = size;
  }

  /** Returns the body, and keeps nothing of it. */
  take(): Buffer {
    const body = this.bytes;
    this.#held = NOTHING;
    this.#size = 0;
    return body;
  }
}
