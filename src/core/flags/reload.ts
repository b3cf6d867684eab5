import { messageOf } from "../errors.ts";
import { pathText } from "../json-source.ts";
import { nearest } from "../nearest.ts";
import { TOLD_MISTAKES } from "../source-file.ts";
import { show, type Violation } from "../violation.ts";
import type { ConditionCompiler } from "./condition.ts";
import { type Flag, type FlagDefinition, sameDefinition, type Tombstone } from "./definition.ts";
import { MAX_CLOSURE } from "./evaluate.ts";
import { type FlagsFile, parsingFlagsFile } from "./file.ts";
import { fileInvalid } from "./file-mistakes.ts";
import { closureProblem, cyclesAmong, growsBy, inOrderOfNeed } from "./prerequisites.ts";
import { rebucketing, refuseRebucketing } from "./rebucket.ts";
import { pauseViolation, settled, withPauseOf } from "./schedule.ts";
import { type Slicing, stepsInSlices } from "./slices.ts";

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
  readFile: () => Promise<string | undefined>,
  fileName: string,
  compileCondition: ConditionCompiler | undefined,
  slicing: Slicing,
): Promise<FlagsFile | undefined> {
  let text: string | undefined;
  try {
    text = await readFile();
  } catch (error) {
    throw fileInvalid(fileName, 0, "(file)", `cannot be read: ${messageOf(error)}`, "a file that can be read", error);
  }
  if (text === undefined) return undefined;
  return stepsInSlices(parsingFlagsFile(text, fileName, compileCondition), slicing);
}

/**
 * What has to change so that the flags are as the file says: but a schedule that is paused stays so where the file has
 * the same one, and one that its flag does not run is paused now. A flag that the file deleted comes back with it, one
 * that was deleted otherwise does not. FLAGS_FILE_INVALID where a flag would need one that is
 * not there then, or itself; FLAG_REBUCKETS with every flag of which it moves keys, unless `rebucket` is set.
 */
export function planReload(
  flags: readonly Flag[],
  tombstone: (name: string) => Tombstone | undefined,
  file: FlagsFile,
  { mode, rebucket }: { readonly mode: "MERGE" | "REPLACE"; readonly rebucket: boolean },
  nowMs: number,
): ReloadPlan {
  const present = new Map(flags.map(({ name, record }) => [name, record]));
  const settledAt = new Map(flags.map(({ name, record, updateTime }) => [name, settled(record, updateTime)]));
  const named = new Map(
    file.flags.map(({ name, definition }) => {
      const before = settledAt.get(name) ?? tombstone(name);
      return [name, settled(withPauseOf(before, definition), nowMs)];
    }),
  );
  const staysDeleted = (name: string): boolean =>
    tombstone(name)?.byFile === undefined && tombstone(name) !== undefined;
  const passedOver = [...named.keys()].filter(staysDeleted);
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
    const before = present.get(name);
    if (staysDeleted(name) || (before !== undefined && sameDefinition(before, after))) continue;
    plan(name, before, after);
  }
  if (mode === "REPLACE") for (const [name, before] of present) if (!named.has(name)) plan(name, before, undefined);
  refuseMistakes(result, present, settledAt, file, nowMs);
  if (!rebucket) {
    const moved = found.map(({ name, after }) => after && rebucketing(name, settledAt.get(name), after, nowMs));
    refuseRebucketing(moved.filter((each) => each !== undefined));
  }
  const { order } = inOrderOfNeed([...result.keys()], (name) => result.get(name)?.prerequisites ?? []);
  const turns = new Map(order.map((name, turn) => [name, turn]));
  const turn = ({ name }: FlagDifference): number => turns.get(name) ?? turns.size;
  const differences = found.sort((a, b) => turn(a) - turn(b) || (a.name < b.name ? -1 : 1));
  return { differences, passedOver, stillKilled: stillKilled.sort() };
}

type Needed = Pick<FlagDefinition, "prerequisites">;

/** Throws everything that is wrong with the file, its flags and what they would need. */
function refuseMistakes(
  planned: ReadonlyMap<string, FlagDefinition>,
  present: ReadonlyMap<string, FlagDefinition>,
  settledAt: ReadonlyMap<string, FlagDefinition>,
  file: FlagsFile,
  nowMs: number,
): void {
  const result = new Map<string, Needed>(planned);
  for (const [name, prerequisites] of file.wrongFlags) result.set(name, { prerequisites });
  const pauses = file.flags.map(({ name, definition }) => {
    const found = pauseViolation(settledAt.get(name), definition, nowMs);
    return found && { ...found, path: [name, ...found.path] };
  });
  const told = new Set(file.wrong.map(({ path }) => pathText(path)));
  const found = [...pauses, ...missing(result, present), ...cycles(result, file), tooMany(result, present, file)];
  const wrong = found.filter((each) => each !== undefined && !told.has(pathText(each.path))) as Violation[];
  const error = file.mistakes([...file.wrong, ...wrong]);
  if (error !== undefined) throw error;
}

/** Flags that would begin to need one that is not there. */
function missing(
  result: ReadonlyMap<string, Needed>,
  present: ReadonlyMap<string, FlagDefinition>,
): readonly Violation[] {
  const wrong: Violation[] = [];
  for (const [name, { prerequisites = [] }] of result) {
    for (const [index, needed] of prerequisites.entries()) {
      if (result.has(needed) || (present.get(name)?.prerequisites?.includes(needed) && !present.has(needed))) continue;
      // To look for what was meant takes long, and only so many are told.
      const guess = wrong.length < TOLD_MISTAKES ? nearest(needed, [...result.keys()]) : undefined;
      const expected = guess === undefined ? "a flag that is there" : `"${guess}"`;
      const problem = `there would be no flag ${show(needed)}`;
      wrong.push({ path: [name, "prerequisites", index], problem, expected });
    }
  }
  return wrong;
}

/** Flags that would need themselves. */
function cycles(result: ReadonlyMap<string, Needed>, file: FlagsFile): readonly Violation[] {
  const inFile = new Set([...file.flags.map(({ name }) => name), ...file.wrongFlags.keys()]);
  const found = cyclesAmong([...result.keys()], (name) => result.get(name)?.prerequisites ?? [], TOLD_MISTAKES);
  return found.map((cycle) => {
    const at = cycle.find((name) => inFile.has(name)) ?? "";
    const problem = `closes the cycle ${cycle.join(" -> ")}`;
    return { path: [at, "prerequisites"], problem, expected: "no way back to itself" };
  });
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
