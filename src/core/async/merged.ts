import { END, Polled, type Waker } from "./polled.ts";

/** A stream among several, and what becomes of its items. */
export interface MergedPart<Out extends object> {
  readonly stream: Polled<object>;
  map(item: object): Out;
}

/**
 * Returns the items of several streams as one. The streams take turns, so that none waits for another that always has an item.
 * When one of them ends, all end.
 */
export function merged<Out extends object>(parts: readonly MergedPart<Out>[]): Polled<Out> {
  return new Merged(parts);
}

class Merged<Out extends object> extends Polled<Out> {
  readonly #parts: readonly MergedPart<Out>[];
  /** Whose turn it is. */
  #next = 0;

  constructor(parts: readonly MergedPart<Out>[]) {
    super();
    this.#parts = parts;
  }

  override poll(waker: Waker): Out | typeof END | undefined {
    try {
      for (let tried = 0; tried < this.#parts.length; tried += 1) {
        const part = this.#parts[this.#next];
        this.#next = (this.#next + 1) % this.#parts.length;
        const item = part?.stream.poll(waker);
        if (item === END) {
          this.close();
          return END;
        }
        if (item !== undefined) return part?.map(item);
      }
      return undefined;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  override close(): void {
    for (const { stream } of this.#parts) stream.close();
  }
}
