import { MAX_CLOSURE } from "../../../kernel/flags/evaluate.ts";
import type { Steps } from "../../async/steps.ts";
import { show, type Violation } from "../../errors/violation.ts";
import { TOLD_MISTAKES } from "../../json/file.ts";
import { pathText } from "../../json/source.ts";
import { readSourceFile, type SourceFile } from "../../json/source-file.ts";
import { nearest } from "../../text/nearest.ts";
import { closureProblem, findingNeed, growsBy } from "../changes/prerequisites.ts";
import { rebucketing, refuseRebucketing } from "../changes/rebucket.ts";
import { pauseViolation, settled, withPauseOf } from "../changes/schedule.ts";
import type { ConditionCompiler } from "../condition.ts";
import { type Slicing, stepsInSlices } from "../evaluation/slices.ts";
import { type Flag, type FlagDefinition, sameDefinition, type Tombstone } from "../record.ts";
import { type FlagsFile, fileInvalid, parsingFlagsFile } from "./parse.ts";

export interface ReloadOptions {
  /** What becomes of flags that the file does not name: MERGE, the default, leaves them; REPLACE deletes them. */
  readonly mode?: "MERGE" | "REPLACE" | undefined;
  /** Only tell what would change; refused as the reload would be if it were made now. Default false. */
  readonly dryRun?: boolean | undefined;
  /**
   * Let keys of enabled flags get another answer by another salt, bucket_by or other variants. Default false:
   * FLAG_REBUCKETS.
   */
  readonly rebucket?: boolean | undefined;
}

/** A flag before and after. */
export interface FlagDifference {
  readonly name: string;
  /** Absent where the flag is new. */
  readonly before?: FlagDefinition;
  /** Absent where the flag is deleted. */
  readonly after?: FlagDefinition;
}

export interface ReloadResult {
  /** What changed or, in a dry run, would change; by name. */
  readonly differences: readonly FlagDifference[];
  /** Names in the file that were deleted, not by the file itself: they stay so until they are created with `revive`. */
  readonly passedOver: readonly string[];
  /** Killed flags of which the file says otherwise: they stay as they are until they are enabled with a reason. */
  readonly stillKilled: readonly string[];
  /** The store's revision afterwards. */
  readonly revision: number;
}

/** What a reload would do. */
export interface ReloadPlan {
  /** In the order to make them in: what a flag needs comes before it, and what is deleted last. */
  readonly differences: readonly FlagDifference[];
  readonly passedOver: readonly string[];
  readonly stillKilled: readonly string[];
}

/**
 * Reads and parses the flags file, in slices between which others have their turn; undefined where there is none.
 * Rejects with FLAGS_FILE_INVALID.
 */
export async function readFlagsFile(
  file: SourceFile,
  compileCondition: ConditionCompiler | undefined,
  slicing: Slicing,
): Promise<FlagsFile | undefined> {
  const text = await readSourceFile(file, fileInvalid);
  if (text === undefined) return undefined;
  return stepsInSlices(parsingFlagsFile(text, file.name, compileCondition), slicing);
}

/**
 * What has to change so that the flags are as the file says: but a schedule that is paused stays so where the file has
 * the same one, and one that its flag does not run is paused now. A flag that the file deleted comes back with it, one
 * that was deleted otherwise does not. FLAGS_FILE_INVALID where a flag would need one that is
 * not there then, or itself; FLAG_REBUCKETS with every flag of which it moves keys, unless `rebucket` is set. In steps of
 * about a flag; `tombstone` is asked once of each flag of the file.
 */
export function* planningReload(
  flags: readonly Flag[],
  tombstone: (name: string) => Tombstone | undefined,
  file: FlagsFile,
  { mode, rebucket }: { readonly mode: "MERGE" | "REPLACE"; readonly rebucket: boolean },
  nowMs: number,
): Steps<ReloadPlan> {
  const present = new Map(flags.map(({ name, record }) => [name, record]));
  const settledAt = new Map(flags.map(({ name, record, updateTime }) => [name, settled(record, updateTime)]));
  const named = new Map<string, FlagDefinition>();
  const passedOver = new Set<string>();
  for (const { name, definition } of file.flags) {
    const deleted = tombstone(name);
    if (deleted !== undefined && deleted.byFile === undefined) passedOver.add(name);
    named.set(name, settled(withPauseOf(settledAt.get(name) ?? deleted, definition), nowMs));
    yield;
  }
  const stillKilled: string[] = [];
  const found: FlagDifference[] = [];
  const result = new Map(present);
  const plan = (name: string, before: FlagDefinition | undefined, after: FlagDefinition | undefined): void => {
    if (before?.killed && !after?.killed) {
      stillKilled.push(name);
      return;
    }
    found.push({ name, ...(before && { before }), ...(after && { after }) });
    if (after === undefined) result.delete(name);
    else result.set(name, after);
  };
  for (const [name, after] of named) {
    yield;
    const before = present.get(name);
    if (passedOver.has(name) || (before !== undefined && sameDefinition(before, after))) continue;
    plan(name, before, after);
  }
  if (mode === "REPLACE") for (const [name, before] of present) if (!named.has(name)) plan(name, before, undefined);
  const order = yield* refusingMistakes(result, present, settledAt, file, nowMs);
  if (!rebucket) {
    const moved: NonNullable<ReturnType<typeof rebucketing>>[] = [];
    for (const { name, after } of found) {
      yield;
      const one = after && rebucketing(name, settledAt.get(name), after, nowMs);
      if (one !== undefined) moved.push(one);
    }
    refuseRebucketing(moved);
  }
  const turns = new Map(order.map((name, turn) => [name, turn]));
  const turn = ({ name }: FlagDifference): number => turns.get(name) ?? turns.size;
  const differences = found.sort((a, b) => turn(a) - turn(b) || (a.name < b.name ? -1 : 1));
  return { differences, passedOver: [...passedOver], stillKilled: stillKilled.sort() };
}

type Needed = Pick<FlagDefinition, "prerequisites">;

/** Throws everything that is wrong with the file, its flags and what they would need. Else all flags in the order of need. */
function* refusingMistakes(
  planned: ReadonlyMap<string, FlagDefinition>,
  present: ReadonlyMap<string, FlagDefinition>,
  settledAt: ReadonlyMap<string, FlagDefinition>,
  file: FlagsFile,
  nowMs: number,
): Steps<readonly string[]> {
  const result = new Map<string, Needed>(planned);
  for (const [name, prerequisites] of file.wrongFlags) result.set(name, { prerequisites });
  const needs = (name: string): readonly string[] => result.get(name)?.prerequisites ?? [];
  const { order, cycles } = yield* findingNeed([...result.keys()], needs, TOLD_MISTAKES);
  const gone = yield* findingMissing(result, present);
  const pauses = file.flags.map(({ name, definition }) => {
    const found = pauseViolation(settledAt.get(name), definition, nowMs);
    return found && { ...found, path: [name, ...found.path] };
  });
  const told = new Set(file.wrong.map(({ path }) => pathText(path)));
  const found = [...pauses, ...gone, ...cycles.map(cycleViolation(file)), tooMany(result, present, file)];
  const wrong = found.filter((each) => each !== undefined && !told.has(pathText(each.path))) as Violation[];
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

/** Flags that would begin to need one that is not there. */
function* findingMissing(
  result: ReadonlyMap<string, Needed>,
  present: ReadonlyMap<string, FlagDefinition>,
): Steps<readonly Violation[]> {
  const wrong: Violation[] = [];
  const names = [...result.keys()];
  const guesses = Math.min(GUESSED_PREREQUISITES, Math.floor(GUESS_LOOKS / names.length));
  for (const [name, { prerequisites = [] }] of result) {
    for (const [index, needed] of prerequisites.entries()) {
      yield;
      if (result.has(needed) || (present.get(name)?.prerequisites?.includes(needed) && !present.has(needed))) continue;
      // To look for what was meant takes long.
      const guess = wrong.length < guesses ? nearest(needed, names) : undefined;
      const expected = guess === undefined ? "a flag that is there" : `"${guess}"`;
      const problem = `there would be no flag ${show(needed)}`;
      wrong.push({ path: [name, "prerequisites", index], problem, expected });
    }
  }
  return wrong;
}

/** Flags of a cycle that an error names; of a longer cycle, the first and the last ones. @limit flags */
const TOLD_OF_CYCLE = 20;

/** Flags that would need themselves. */
function cycleViolation(file: FlagsFile): (cycle: readonly string[]) => Violation {
  const inFile = new Set([...file.flags.map(({ name }) => name), ...file.wrongFlags.keys()]);
  return (cycle) => {
    const at = cycle.find((name) => inFile.has(name)) ?? "";
    const left = cycle.length - 1 - TOLD_OF_CYCLE;
    const [first, last] = [cycle.slice(0, TOLD_OF_CYCLE / 2), cycle.slice(-TOLD_OF_CYCLE / 2 - 1)];
    const told = left > 0 ? [...first, `(${left} more)`, ...last] : cycle;
    const problem = `closes the cycle ${told.join(" -> ")}`;
    return { path: [at, "prerequisites"], problem, expected: "no way back to itself" };
  };
}

/** Flags that would begin to need too many. */
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
  const problem = closureProblem(new Set(grown), all, needsOf(result), needsOf(present));
  return problem === undefined
    ? undefined
    : { path: [first, "prerequisites"], problem, expected: `at most ${MAX_CLOSURE}` };
}
