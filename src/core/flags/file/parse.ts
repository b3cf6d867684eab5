import { atOnce, type Steps } from "../../async/steps.ts";
import type { HeliosError } from "../../errors/error.ts";
import { show, type Violation } from "../../errors/violation.ts";
import type { Report } from "../../json/fields.ts";
import { fileError, invalidAs, parsingFile } from "../../json/file.ts";
import type { ConditionCompiler } from "../condition.ts";
import { type FileFlag, isIgnored, readFlag } from "./read-flag.ts";

/** Returns FLAGS_FILE_INVALID. Line 0 stands for the whole file. */
export const fileInvalid = invalidAs("FLAGS_FILE_INVALID");

/** A flags file after parsing. */
export interface FlagsFile {
  readonly text: string;
  readonly flags: readonly FileFlag[];
  /** The mistakes in single flags. */
  readonly wrong: readonly Violation[];
  /** The prerequisites of the wrong flags, which are not among `flags`. */
  readonly wrongFlags: ReadonlyMap<string, readonly string[]>;
  /** FLAGS_FILE_INVALID with the given mistakes and those of the text; undefined if there are none. */
  mistakes(found: readonly Violation[]): HeliosError | undefined;
}

/**
 * Parses a flags file: a JSON object of flags by name, each with `enabled`, `strategy` in lower case, and further keys. An
 * absent key has the default of a new flag. Instead of an object, `true` is a flag that is on for everyone and `false` one
 * that is off. Keys that begin with `_` or `$` are ignored. Everything is checked except prerequisites.
 *
 * @param file the file's name in errors.
 * @throws FLAGS_FILE_INVALID with the line and key of every mistake.
 */
export function parseFlagsFile(text: string, file: string, compileCondition?: ConditionCompiler): FlagsFile {
  const read = atOnce(parsingFlagsFile(text, file, compileCondition));
  const error = read.mistakes(read.wrong);
  if (error !== undefined) throw error;
  return read;
}

/**
 * The same, a flag a step. Mistakes in flags are not thrown but returned in `wrong`, so that one error can report them
 * together with those in prerequisites.
 */
export function* parsingFlagsFile(
  text: string,
  file: string,
  compileCondition: ConditionCompiler | undefined,
): Steps<FlagsFile> {
  const source = yield* parsingFile(text, file, fileInvalid);
  const wrong: Violation[] = [];
  const wrongFlags = new Map<string, readonly string[]>();
  const flags = yield* readFlags(source.value, compileCondition, wrong, wrongFlags);
  const mistakes: FlagsFile["mistakes"] = (found) => fileError("FLAGS_FILE_INVALID", file, source, found);
  return { text, flags, wrong, wrongFlags, mistakes };
}

const EXPECTED = "an object of flags by name";

function* readFlags(
  value: unknown,
  compileCondition: ConditionCompiler | undefined,
  wrong: Violation[],
  wrongFlags: Map<string, readonly string[]>,
): Steps<FileFlag[]> {
  const report: Report = (violation) => wrong.push(violation);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const expected = Array.isArray(value) ? expectedOfList(value) : EXPECTED;
    report({ path: [], problem: `${show(value)} is not allowed`, expected });
    return [];
  }
  const flags: FileFlag[] = [];
  for (const [name, entry] of Object.entries(value)) {
    if (isIgnored(name)) continue;
    const hint = wrapperHint(name, entry);
    if (hint !== undefined) {
      report({ path: [name], ...hint });
      continue;
    }
    const before = wrong.length;
    const flag = readFlag(name, entry, compileCondition, report);
    if (wrong.length > before) wrongFlags.set(name, neededBy(entry));
    else if (flag !== undefined) flags.push(flag);
    yield;
  }
  return flags;
}

/** The prerequisites in an entry that is wrong. */
function neededBy(entry: unknown): readonly string[] {
  const { prerequisites } = Object(entry) as { readonly prerequisites?: unknown };
  return Array.isArray(prerequisites) ? prerequisites.map((each) => (typeof each === "string" ? each : "")) : [];
}

/** Keys under which other systems, and people, put all flags. */
const WRAPPERS = ["flags", "feature_flags", "featureFlags", "feature-flags", "features", "toggles"];

/** Returns what is wrong with an entry that is not a flag but contains flags. */
function wrapperHint(name: string, entry: unknown): Omit<Violation, "path"> | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const isNamedSo = WRAPPERS.includes(name);
  const parts = Object.entries(entry).filter(([key]) => !isIgnored(key));
  if (Array.isArray(entry)) {
    return isNamedSo ? { problem: "a list of flags is not allowed", expected: expectedOfList(entry) } : undefined;
  }
  if ("enabled" in entry || "strategy" in entry) return undefined;
  const isFlagLike = ([, part]: [string, unknown]): boolean =>
    isNamedSo
      ? typeof part === "boolean" || (typeof part === "object" && part !== null)
      : typeof part === "object" && part !== null && "enabled" in part && "strategy" in part;
  if (!parts.every(isFlagLike) || (parts.length === 0 && !isNamedSo)) return undefined;
  const problem = "is not a flag, but contains flags";
  return { problem, expected: `the flags themselves at the top level, without ${show(name)} around them; ${CONVERT}` };
}

const CONVERT = "`npm run convert` makes such a file of those of other systems";

function expectedOfList(list: readonly unknown[]): string {
  const [first] = list;
  const named = typeof first === "object" && first !== null ? (first as { name?: unknown; key?: unknown }) : {};
  const name = [named.name, named.key].find((each) => typeof each === "string");
  if (name === undefined) return EXPECTED;
  return `${EXPECTED}, such as {${JSON.stringify(name)}: {"enabled": true, "strategy": "all_on"}}; ${CONVERT}`;
}
