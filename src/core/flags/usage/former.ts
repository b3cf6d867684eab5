import type { Collection } from "../../store/collection.ts";
import type { FlagRecord } from "../record.ts";
import { isTombstone } from "../record.ts";

/** Newest changes of a flag whose variants a client may still report under their names. @limit changes */
const CHANGES_LOOKED_AT = 100;
/** Changes that are read at once. Each may have megabytes. */
const READ_STEP = 8;
/** Former variants of one flag that are known; further ones are counted as `(other)`. @limit variants */
const MAX_FORMER = 200;
/** Flags whose former variants are remembered; of others, they are read again. */
const REMEMBERED = 1000;

/** Tells which variants a flag had before. */
export class FormerVariants {
  readonly #collection: Collection<FlagRecord>;
  readonly #pause: () => Promise<void>;
  /** In the order of their reading. */
  readonly #known = new Map<string, { readonly revision: number; readonly variants: ReadonlySet<string> }>();

  /** `pause` lets other work run. */
  constructor(collection: Collection<FlagRecord>, pause: () => Promise<void>) {
    this.#collection = collection;
    this.#pause = pause;
  }

  /** The names of the variants that the flag had in its newest changes. Rejects with STORE_DAMAGED. */
  async of(name: string): Promise<ReadonlySet<string>> {
    const revision = this.#collection.get(name)?.revision ?? 0;
    const known = this.#known.get(name);
    if (known?.revision === revision) return known.variants;
    const variants = await this.#read(name);
    this.#known.delete(name);
    this.#known.set(name, { revision, variants });
    const [oldest] = this.#known.keys();
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    return variants;
  }

  async #read(name: string): Promise<ReadonlySet<string>> {
    const variants = new Set<string>();
    let before: number | undefined;
    for (let left = CHANGES_LOOKED_AT; left > 0; left -= READ_STEP) {
      const changes = await this.#collection.history(name, Math.min(left, READ_STEP), before);
      const records = changes.flatMap(({ before: was, resource }) => [was, resource?.record]);
      for (const record of records) {
        if (record === undefined || isTombstone(record)) continue;
        for (const { name: variant } of record.variants ?? []) if (variants.size < MAX_FORMER) variants.add(variant);
      }
      before = changes.at(-1)?.revision;
      if (changes.length < READ_STEP) break;
      await this.#pause();
    }
    return variants;
  }
}
