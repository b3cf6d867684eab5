import { MAX_CLOSURE } from "./evaluate.ts";

/** The prerequisites of a flag; undefined if there is no such flag. */
export type Needs = (name: string) => readonly string[] | undefined;

/**
 * All prerequisites of a flag, direct and indirect, each once and in breadth-first order: first those of the flag, then those
 * of its first prerequisite, and so on. If there are more than MAX_CLOSURE, only the first MAX_CLOSURE + 1.
 */
export function closureOf(name: string, needs: Needs): ReadonlySet<string> {
  const found = new Set<string>();
  const add = (names: readonly string[] | undefined): void => {
    for (const each of names ?? []) if (found.size <= MAX_CLOSURE) found.add(each);
  };
  add(needs(name));
  // The iteration also visits names that are added during it.
  for (const each of found) {
    if (found.size > MAX_CLOSURE) break;
    add(needs(each));
  }
  return found;
}
