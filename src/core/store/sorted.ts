import type { Steps } from "../async/steps.ts";

/** Names that are sorted in one step. */
const RUN = 1000;

/**
 * Items by name, listed in code-unit order. A change costs the same however many items there are. Changes are merged when
 * the list is read: replacing a few items then costs a copy of the list, and sorting is only needed for new names.
 */
export class SortedItems<T extends { readonly name: string }> {
  #sorted: readonly T[];
  /** Changes since the last merge, by name. Undefined stands for a deleted item. */
  #changed = new Map<string, T | undefined>();

  /** @param sorted the first items, in code-unit order of their names. */
  constructor(sorted: readonly T[] = []) {
    this.#sorted = sorted;
  }

  /** Adds or replaces the item of a name; undefined deletes it. */
  set(name: string, item: T | undefined): void {
    // An item that was never listed leaves nothing behind, so that names which come and go do not pile up.
    if (item === undefined && this.#indexOf(name) < 0) this.#changed.delete(name);
    else this.#changed.set(name, item);
  }

  /** All items, sorted by name. Returns the same list until the next change, and never changes a list that it returned. */
  list(): readonly T[] {
    if (this.#changed.size === 0) return this.#sorted;
    this.#sorted = this.#merged();
    this.#changed = new Map();
    return this.#sorted;
  }

  /**
   * Sorts in steps what the first list would sort at once. Changes and reads may come in between; after a read there is
   * nothing left to do.
   */
  *preparing(): Steps<void> {
    const before = this.#sorted;
    if (before.length > 0) return;
    const names = yield* sortingNames([...this.#changed.keys()]);
    if (this.#sorted !== before) return;
    const sorted: T[] = [];
    for (const name of names) {
      const item = this.#changed.get(name);
      if (item !== undefined) sorted.push(item);
      this.#changed.delete(name);
    }
    this.#sorted = sorted;
  }

  #merged(): readonly T[] {
    const merged = this.#sorted.slice();
    const fresh: string[] = [];
    let hasDeleted = false;
    for (const [name, item] of this.#changed) {
      const index = this.#indexOf(name);
      if (index < 0) fresh.push(name);
      else if (item === undefined) hasDeleted = true;
      else merged[index] = item;
    }
    const kept = hasDeleted ? merged.filter(({ name }) => !this.#isDeleted(name)) : merged;
    if (fresh.length === 0) return kept;
    // Without a comparison function, texts are sorted by code units, and faster.
    const added = fresh.sort().map((name) => this.#changed.get(name) as T);
    return kept.length === 0 ? added : interleaved(kept, added);
  }

  #isDeleted(name: string): boolean {
    return this.#changed.has(name) && this.#changed.get(name) === undefined;
  }

  /** The place of a name in the list, or -1. */
  #indexOf(name: string): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] as T).name < name) low = middle + 1;
      else high = middle;
    }
    return this.#sorted[low]?.name === name ? low : -1;
  }
}

/** Sorts names by code units: first short runs, and then two runs at a time are merged. */
function* sortingNames(names: readonly string[]): Steps<readonly string[]> {
  let runs: (readonly string[])[] = [];
  for (let start = 0; start < names.length; start += RUN) {
    runs.push(names.slice(start, start + RUN).sort());
    yield;
  }
  while (runs.length > 1) {
    const merged: (readonly string[])[] = [];
    for (let at = 0; at < runs.length; at += 2) merged.push(yield* merging(runs[at] ?? [], runs[at + 1] ?? []));
    runs = merged;
  }
  return runs[0] ?? [];
}

function* merging(a: readonly string[], b: readonly string[]): Steps<readonly string[]> {
  const all: string[] = [];
  let at = 0;
  for (const name of b) {
    for (let next = a[at]; next !== undefined && next < name; next = a[at]) {
      all.push(next);
      at += 1;
    }
    all.push(name);
    if (all.length % RUN === 0) yield;
  }
  return all.concat(a.slice(at));
}

/** The items of two sorted lists, sorted. The lists have no name in common. */
function interleaved<T extends { readonly name: string }>(a: readonly T[], b: readonly T[]): readonly T[] {
  const all: T[] = [];
  let at = 0;
  for (const item of b) {
    for (let next = a[at]; next !== undefined && next.name < item.name; next = a[at]) {
      all.push(next);
      at += 1;
    }
    all.push(item);
  }
  for (; at < a.length; at += 1) all.push(a[at] as T);
  return all;
}
