import { MAX_CLOSURE } from "../../../kernel/flags/evaluate.ts";
import type { Steps } from "../../async/steps.ts";
import { show, type Violation } from "../../errors/violation.ts";
import { LISTED_MISTAKES } from "../../json/file.ts";
import { pathText } from "../../json/path.ts";
import { nearest } from "../../text/nearest.ts";
import { closureProblem, dependentsIn, growsBy, orderingFlags } from "../changes/prerequisites.ts";
import { pauseViolation } from "../changes/schedule.ts";
import type { FlagDefinition } from "../record.ts";
import type { FlagsFile } from "./parse.ts";

type Needed = Pick<FlagDefinition, "prerequisites">;

/**
 * FLAGS_FILE_INVALID with every mistake in the file, its flags and their prerequisites. Returns the names of all flags, each
 * after its prerequisites.
 */
export function* refusingMistakes(
  planned: ReadonlyMap<string, FlagDefinition>,
  present: ReadonlyMap<string, FlagDefinition>,
  settledAt: ReadonlyMap<string, FlagDefinition>,
  file: FlagsFile,
  nowMs: number,
): Steps<readonly string[]> {
  const result = new Map<string, Needed>();
  for (const [name, flag] of planned) {
    result.set(name, flag);
    yield;
  }
  for (const [name, prerequisites] of file.wrongFlags) result.set(name, { prerequisites });
  const needs = (name: string): readonly string[] => result.get(name)?.prerequisites ?? [];
  const { order, cycles } = yield* orderingFlags([...result.keys()], needs, LISTED_MISTAKES);
  const gone = yield* findingMissing(result, present);
  const pauses = file.flags.map(({ name, definition }) => {
    const found = pauseViolation(settledAt.get(name), definition, nowMs);
    return found && { ...found, path: [name, ...found.path] };
  });
  const reported = new Set(file.wrong.map(({ path }) => pathText(path)));
  const found = [...pauses, ...gone, ...cycles.map(cycleViolation(file)), tooMany(result, present, file)];
  const wrong = found.filter((each) => each !== undefined && !reported.has(pathText(each.path))) as Violation[];
  const error = file.mistakes([...file.wrong, ...wrong]);
  if (error !== undefined) throw error;
  return order;
}

/** Missing prerequisites for which an error suggests the flag that was probably meant. @limit prerequisites */
export const GUESSED_PREREQUISITES = 10;
/**
 * Flags that are compared for all such suggestions. If there are too many for another one, none is made.
 * @limit look-ups
 */
export const GUESS_LOOKS = 100_000;

/** Flags that would get a prerequisite that does not exist. */
function* findingMissing(
  result: ReadonlyMap<string, Needed>,
  present: ReadonlyMap<string, FlagDefinition>,
): Steps<readonly Violation[]> {
  const wrong: Violation[] = [];
  const names = [...result.keys()];
  const guesses = Math.min(GUESSED_PREREQUISITES, Math.floor(GUESS_LOOKS / names.length));
  for (const [name, { prerequisites = [] }] of result) {
    yield;
    for (const [index, needed] of prerequisites.entries()) {
      yield;
      if (result.has(needed) || (present.get(name)?.prerequisites?.includes(needed) && !present.has(needed))) continue;
      // The search for the flag that was meant is slow.
      const guess = wrong.length < guesses ? nearest(needed, names) : undefined;
      const expected = guess === undefined ? "an existing flag" : `"${guess}"`;
      const problem = `flag ${show(needed)} would not exist`;
      wrong.push({ path: [name, "prerequisites", index], problem, expected });
    }
  }
  return wrong;
}

/** Flags of a cycle that an error names; of a longer cycle, the first and the last ones. @limit flags */
const NAMED_OF_CYCLE = 20;

/** Flags that would have themselves as a prerequisite. */
function cycleViolation(file: FlagsFile): (cycle: readonly string[]) => Violation {
  const inFile = new Set([...file.flags.map(({ name }) => name), ...file.wrongFlags.keys()]);
  return (cycle) => {
    const at = cycle.find((name) => inFile.has(name)) ?? "";
    const left = cycle.length - 1 - NAMED_OF_CYCLE;
    const [first, last] = [cycle.slice(0, NAMED_OF_CYCLE / 2), cycle.slice(-NAMED_OF_CYCLE / 2 - 1)];
    const named = left > 0 ? [...first, `(${left} more)`, ...last] : cycle;
    const problem = `closes the cycle ${named.join(" -> ")}`;
    return { path: [at, "prerequisites"], problem, expected: "no cycle" };
  };
}

/** Flags that would get too many prerequisites. */
function tooMany(
  result: ReadonlyMap<string, Needed>,
  present: ReadonlyMap<string, FlagDefinition>,
  file: FlagsFile,
): Violation | undefined {
  const needsOf = (flags: ReadonlyMap<string, Needed>) => (name: string) => flags.get(name)?.prerequisites;
  const grown = [...file.flags.map(({ name }) => name), ...file.wrongFlags.keys()].filter((name) =>
    growsBy(present.get(name)?.prerequisites, result.get(name)?.prerequisites),
  );
  const [first] = grown;
  if (first === undefined) return undefined;
  const all = [...result].map(([name, { prerequisites = [] }]) => [name, prerequisites] as const);
  const dependents = dependentsIn(all);
  const neededBy = (name: string): readonly string[] => dependents.get(name) ?? [];
  const problem = closureProblem(new Set(grown), neededBy, needsOf(result), needsOf(present));
  return problem === undefined
    ? undefined
    : { path: [first, "prerequisites"], problem, expected: `at most ${MAX_CLOSURE}` };
}
