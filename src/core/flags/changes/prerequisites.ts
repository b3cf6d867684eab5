import { closureOf, type Needs } from "../../../kernel/flags/closure.ts";
import { MAX_CLOSURE } from "../../../kernel/flags/evaluate.ts";
import type { Steps } from "../../async/steps.ts";
import { HeliosError } from "../../errors/error.ts";
import { nearest } from "../../text/nearest.ts";

/**
 * Look-ups that are made to find out whether a change lets a flag need too many prerequisites. A change that needs more
 * is refused with `FLAG_PREREQUISITES_TOO_MANY`. @limit look-ups
 */
export const MAX_CLOSURE_LOOKS = 1_000_000;

/**
 * Returns what is wrong if the flags in `grown` get new prerequisites: one of them, or one of their dependents, would have too many
 * prerequisites, or there are too many flags to find out. A flag that had too many before, and is not in `grown`, is
 * accepted. `neededBy` gives the direct dependents of a flag, and `needs` its prerequisites, as they will be. `before` gives
 * its present prerequisites.
 */
export function closureProblem(
  grown: ReadonlySet<string>,
  neededBy: (name: string) => Iterable<string>,
  needs: Needs,
  before: Needs,
): string | undefined {
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
    if (looks > MAX_CLOSURE_LOOKS) return "too many flags depend on it to count their prerequisites";
    for (const dependent of neededBy(name)) affected.add(dependent);
    if (closureOf(name, counted(needs)).size <= MAX_CLOSURE) continue;
    if (!grown.has(name) && closureOf(name, counted(before)).size > MAX_CLOSURE) continue;
    return `flag ${name} would need more than ${MAX_CLOSURE} flags, directly or not`;
  }
  return undefined;
}

/** The direct dependents of each flag that is a prerequisite of one of these. */
export function dependentsIn(
  flags: Iterable<readonly [name: string, prerequisites: readonly string[]]>,
): ReadonlyMap<string, readonly string[]> {
  const dependents = new Map<string, string[]>();
  for (const [name, prerequisites] of flags) {
    for (const needed of prerequisites) {
      const known = dependents.get(needed);
      if (known === undefined) dependents.set(needed, [name]);
      else known.push(name);
    }
  }
  return dependents;
}

/** Whether a flag gets a new prerequisite. */
export function growsBy(before: readonly string[] | undefined, after: readonly string[] | undefined): boolean {
  return after?.some((name) => !before?.includes(name)) ?? false;
}

/** The cycle by which a flag would need itself, such as `a, b, a`; undefined if there is none. */
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

/** The order of flags by their prerequisites. */
export interface FlagOrder {
  /** All flags, each after its prerequisites, except where these form a cycle. */
  readonly order: readonly string[];
  /**
   * Cycles, such as `a, b, a`. Without the last step of each there would be no cycle, unless more were found than asked for.
   */
  readonly cycles: readonly (readonly string[])[];
}

/** Orders flags by a depth-first search, one flag or prerequisite a step. Returns at most `mostCycles` cycles. */
export function* orderingFlags(
  names: readonly string[],
  needs: (name: string) => readonly string[],
  mostCycles: number,
): Steps<FlagOrder> {
  const order: string[] = [];
  const cycles: (readonly string[])[] = [];
  const places = new Map<string, number>(names.map((name) => [name, UNSEEN]));
  // The path from a flag to a prerequisite, and so on. It can be too long for recursion.
  const way: { readonly name: string; readonly left: Iterator<string> }[] = [];
  const enter = (name: string): void => {
    places.set(name, way.length);
    way.push({ name, left: new Set(needs(name)).values() });
  };
  for (const name of names) {
    if (places.get(name) === UNSEEN) enter(name);
    for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
      yield;
      const { done, value: needed } = at.left.next();
      if (done) {
        way.pop();
        places.set(at.name, LEFT);
        order.push(at.name);
        continue;
      }
      const place = places.get(needed) ?? LEFT;
      if (place === UNSEEN) enter(needed);
      else if (place !== LEFT && cycles.length < mostCycles)
        cycles.push([...way.slice(place).map(({ name: each }) => each), needed]);
    }
  }
  return { order, cycles };
}

/** In place of an index on the path. */
const [UNSEEN, LEFT] = [-1, -2];

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
