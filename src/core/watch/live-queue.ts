import { takeFrame } from "./frame.ts";
import type { Item } from "./types.ts";

/**
 * Changes in a watcher's queue. Beyond them, only the newest of each name are kept; if these are too many, they are
 * dropped, and the watcher reads the journal at its own pace. A watch of events ends with `WATCHER_TOO_SLOW` instead.
 * @limit changes
 */
export const QUEUE_LIMIT = 1024;
/**
 * Length of the changes in a watcher's queue; beyond it, the same happens as beyond `QUEUE_LIMIT` changes.
 * @limit characters
 */
export const QUEUE_CHARS = 8 * 1024 * 1024;

/** The changes that wait for a watcher that has read everything before them. */
export class LiveQueue<I extends Item> {
  readonly #charsOf: (item: I) => number;
  #items: I[] = [];
  #chars = 0;

  constructor(charsOf: (item: I) => number) {
    this.#charsOf = charsOf;
  }

  get length(): number {
    return this.#items.length;
  }

  /** The change that is read next. */
  get first(): I | undefined {
    return this.#items[0];
  }

  push(item: I): void {
    // Not pushed into an empty array, which would get room for many more.
    if (this.#items.length === 0) this.#items = [item];
    else this.#items.push(item);
    this.#chars += this.#charsOf(item);
  }

  /** Whether it holds more than it may. */
  get isOver(): boolean {
    return this.#items.length > QUEUE_LIMIT || this.#chars > QUEUE_CHARS;
  }

  /** Takes as many changes as fit into a frame. */
  takeFrame(sizeOf: (item: I) => number): readonly I[] {
    if (this.#items.length === 1) {
      // The size of a single change does not matter, because it is sent anyway.
      const all = this.#items;
      this.#items = [];
      this.#chars = 0;
      return all;
    }
    const taken = takeFrame(this.#items, sizeOf);
    this.#chars = this.#items.length === 0 ? 0 : this.#chars - this.#sum(taken);
    return taken;
  }

  /**
   * Keeps only the latest change of each name. Returns whether the queue has room for more changes afterwards. It has none if
   * it is still more than half full, because it would be coalesced again at every push. It also has none if it contains a
   * batch. A batch must not lose an item that a later change replaces, because half a batch is a state that never existed.
   */
  coalesce(): boolean {
    if (this.#items.some(({ revision }, index) => revision === this.#items[index + 1]?.revision)) return false;
    const latest = new Map(this.#items.map((item) => [item.name, item]));
    this.#items = this.#items.filter((item) => latest.get(item.name) === item);
    this.#chars = this.#sum(this.#items);
    return this.#items.length <= QUEUE_LIMIT / 2 && this.#chars <= QUEUE_CHARS / 2;
  }

  #sum(items: readonly I[]): number {
    return items.reduce((sum, item) => sum + this.#charsOf(item), 0);
  }
}
