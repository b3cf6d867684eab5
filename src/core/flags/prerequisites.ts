import { HeliosError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { MAX_CLOSURE } from "./evaluate.ts";

/** The names of the flags that one needs; undefined: there is no such flag. */
export type Needs = (name: string) => readonly string[] | undefined;

/**
 * Every flag that `name` needs, directly or not, each once and in the order of need: those that it names, then those that the
 * first of them names, and so on. Of one that needs more than MAX_CLOSURE the first of them, one more than that.
 */
export function closureOf(name: string, needs: Needs): ReadonlySet<string> {
  const found = new Set<string>();
  const add = (names: readonly string[] | undefined): void => {
    for (const each of names ?? []) if (found.size <= MAX_CLOSURE) found.add(each);
  };
  add(needs(name));
  // A set tells what is added to it while it is walked through.
  for (const each of found) {
    if (found.size > MAX_CLOSURE) break;
    add(needs(each));
  }
  return found;
}

/**
 * Looks at flags and their prerequisites by which it is found out whether a change lets a flag need too many; a change that
 * would take more is refused with `FLAG_PREREQUISITES_TOO_MANY`. @limit looks
 */
export const MAX_CLOSURE_LOOKS = 1_000_000;

/**
 * What is wrong where flags begin to need others: one of them, or of those that need them, would need too many, or that
 * cannot be found out with so few looks. One that needed too many before, and is not among them, may go on so. `all` are
 * the flags as they will be, `before` says what they need now.
 */
export function closureProblem(
  grown: ReadonlySet<string>,
  all: Iterable<readonly [name: string, prerequisites: readonly string[]]>,
  needs: Needs,
  before: Needs,
): string | undefined {
  const dependents = new Map<string, string[]>();
  for (const [name, prerequisites] of all) {
    for (const needed of prerequisites) {
      const known = dependents.get(needed);
      if (known === undefined) dependents.set(needed, [name]);
      else known.push(name);
    }
  }
  let looks = 0;
  const counted = (of: Needs): Needs => {
    return (name) => {
      const found = of(name);
      looks += 1 + (found?.length ?? 0);
      return found;
    };
  };
  const affected = new Set(grown);
  for (const name of affected) {
    if (looks > MAX_CLOSURE_LOOKS) return "so many flags would need it that what they need cannot be counted";
    for (const dependent of dependents.get(name) ?? []) affected.add(dependent);
    if (closureOf(name, counted(needs)).size <= MAX_CLOSURE) continue;
    if (!grown.has(name) && closureOf(name, counted(before)).size > MAX_CLOSURE) continue;
    return `flag ${name} would need more than ${MAX_CLOSURE} flags, directly or not`;
  }
  return undefined;
}

/** Whether a flag begins to need another. */
export function growsBy(before: readonly string[] | undefined, after: readonly string[] | undefined): boolean {
  return after?.some((name) => !before?.includes(name)) ?? false;
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

/**
 * Ways by which flags come to need themselves, at most that many: without the last step of each of them there would be no
 * other, if there are not more.
 */
export function cyclesAmong(
  names: readonly string[],
  needs: (name: string) => readonly string[],
  most: number,
): readonly (readonly string[])[] {
  const found: (readonly string[])[] = [];
  const cut = new Set<string>();
  const stepOf = (from: string | undefined, to: string | undefined): string => JSON.stringify([from, to]);
  const left = (name: string): readonly string[] => needs(name).filter((needed) => !cut.has(stepOf(name, needed)));
  while (found.length < most) {
    const { cycle } = inOrderOfNeed(names, cut.size === 0 ? needs : left);
    if (cycle === undefined) break;
    found.push(cycle);
    cut.add(stepOf(cycle.at(-2), cycle.at(-1)));
  }
  return found;
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
