const NOBODY: ReadonlySet<string> = new Set();

/** Which flags have a flag as a prerequisite. A change costs its prerequisites, however many flags there are. */
export class Dependents {
  readonly #needs = new Map<string, readonly string[]>();
  readonly #neededBy = new Map<string, Set<string>>();

  /** The names of the flags that have it as a direct prerequisite, in no particular order. */
  of(name: string): ReadonlySet<string> {
    return this.#neededBy.get(name) ?? NOBODY;
  }

  /** Replaces the prerequisites of a flag. Undefined: it has none, or does not exist. */
  set(name: string, prerequisites: readonly string[] | undefined): void {
    const before = this.#needs.get(name);
    if (before === prerequisites) return;
    for (const needed of before ?? []) this.#remove(needed, name);
    if (prerequisites === undefined) {
      this.#needs.delete(name);
      return;
    }
    this.#needs.set(name, prerequisites);
    for (const needed of prerequisites) {
      const names = this.#neededBy.get(needed);
      if (names === undefined) this.#neededBy.set(needed, new Set([name]));
      else names.add(name);
    }
  }

  #remove(needed: string, name: string): void {
    const names = this.#neededBy.get(needed);
    names?.delete(name);
    if (names?.size === 0) this.#neededBy.delete(needed);
  }
}
