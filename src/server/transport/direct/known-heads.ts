import type { RequestHead } from "./head.ts";
import type { Begin } from "./stream.ts";

/** A header block that does not depend on earlier ones, and what it means. */
interface Known {
  readonly block: Buffer;
  readonly head: RequestHead;
  readonly begin: Begin;
}

/** Blocks that are remembered on a connection. Most clients send the same block for each call of a method. @limit blocks */
const MOST_KNOWN = 4;
/** Size of a block that is remembered. Also an idle connection holds it. @limit bytes */
const MOST_KNOWN_BYTES = 2048;

/** The last header blocks of a connection that were new. */
export class KnownHeads {
  readonly #known: Known[] = [];

  find(block: Buffer): Known | undefined {
    return this.#known.find((one) => one.block.equals(block));
  }

  /** Remembers a block that always means the same. A long one is not remembered. */
  remember(block: Buffer, head: RequestHead, begin: Begin): void {
    if (block.length > MOST_KNOWN_BYTES) return;
    this.#known.unshift({ block: Buffer.from(block), head, begin });
    if (this.#known.length > MOST_KNOWN) this.#known.pop();
  }
}
