import { HeliosError } from "../errors.ts";
import { nearest } from "../nearest.ts";

/** The names of the flags that one needs; undefined: there is no such flag. */
export type Needs = (name: string) => readonly string[] | undefined;

/** Every flag that `name` needs, directly or not, each once and in the order of need. */
export function closureOf(name: string, needs: Needs): ReadonlySet<string> {
  const found = new Set(needs(name));
  // A set tells what is added to it while it is walked through.
  for (const each of found) for (const next of needs(each) ?? []) found.add(next);
  return found;
}

/** The way by which a flag comes to need itself, such as `a, b, a`; undefined: it does not. */
export function cycleOf(name: string, needs: Needs): readonly string[] | undefined {
  const cameFrom = new Map<string, string>();
  const left = [name];
  for (let at = left.shift(); at !== undefined; at = left.shift()) {
    for (const next of needs(at) ?? []) {
      if (next === name) {
        const path = [name];
        for (let back = at; back !== name; back = cameFrom.get(back) ?? name) path.unshift(back);
        return [name, ...path];
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, at);
      left.push(next);
    }
  }
  return undefined;
}

/** All those flags, each after what it needs of them; with a cycle, if there is one, those that are not behind it. */
export function inOrderOfNeed(
  names: readonly string[],
  needs: (name: string) => readonly string[],
): { readonly order: readonly string[]; readonly cycle: readonly string[] | undefined } {
  const left = new Map(names.map((name) => [name, 0]));
  const dependents = new Map<string, string[]>();
  for (const name of names) {
    for (const needed of needs(name)) {
      if (!left.has(needed)) continue;
      left.set(name, (left.get(name) ?? 0) + 1);
      const known = dependents.get(needed);
      if (known === undefined) dependents.set(needed, [name]);
      else known.push(name);
    }
  }
  const order = names.filter((name) => left.get(name) === 0);
  // An array tells what is added to it while it is walked through.
  for (const name of order) {
    left.delete(name);
    for (const dependent of dependents.get(name) ?? []) {
      const open = (left.get(dependent) ?? 0) - 1;
      left.set(dependent, open);
      if (open === 0) order.push(dependent);
    }
  }
  const [stuck] = left.keys();
  if (stuck === undefined) return { order, cycle: undefined };
  // Each that is left needs another that is: the way leads into a cycle.
  const way: string[] = [];
  let at = stuck;
  while (!way.includes(at)) {
    way.push(at);
    at = needs(at).find((needed) => left.has(needed)) ?? at;
  }
  return { order, cycle: [...way.slice(way.indexOf(at)), at] };
}

/** Refuses prerequisites that do not exist (FLAG_PREREQUISITE_MISSING) or close a cycle (FLAG_PREREQUISITE_CYCLE). */
export function checkPrerequisites(
  name: string,
  after: readonly string[],
  before: readonly string[],
  needs: Needs,
  names: () => readonly string[],
): void {
  for (const prerequisite of after) {
    if (prerequisite === name || before.includes(prerequisite) || needs(prerequisite) !== undefined) continue;
    const guess = nearest(prerequisite, names());
    const meant = guess === undefined ? {} : { nearest: guess };
    throw HeliosError.of("FLAG_PREREQUISITE_MISSING", { name, prerequisite, ...meant });
  }
  const cycle = cycleOf(name, (each) => (each === name ? after : needs(each)));
  if (cycle !== undefined) throw HeliosError.of("FLAG_PREREQUISITE_CYCLE", { name, cycle: cycle.join(" -> ") });
}
