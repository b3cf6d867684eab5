import { atOnce, type Steps } from "../../async/steps.ts";
import type { HeliosError } from "../../errors/error.ts";
import { show, type Violation } from "../../errors/violation.ts";
import type { Report } from "../../json/fields.ts";
import { fileError, invalidAs, parsingFile } from "../../json/file.ts";
import type { ConditionCompiler } from "../condition.ts";
import { type FileFlag, isIgnored, readFlag } from "./read-flag.ts";

/** The error for a flags file. `line` 0: the file as a whole. */
export const fileInvalid = invalidAs("FLAGS_FILE_INVALID");

/** A flags file that was read. */
export interface FlagsFile {
  readonly text: string;
  readonly flags: readonly FileFlag[];
  /** What is wrong with its flags by themselves. */
  readonly wrong: readonly Violation[];
  /** What flags need that are wrong, and are not among `flags`. */
  readonly wrongFlags: ReadonlyMap<string, readonly string[]>;
  /** FLAGS_FILE_INVALID with those mistakes and those of its text; undefined: there are none. */
  mistakes(found: readonly Violation[]): HeliosError | undefined;
}

/**
 * Reads a flags file: a JSON object of flags by name, each with `enabled`, `strategy` in lower case and what else it
 * needs; an absent key has the default of a new flag. `true` is a flag that is on for all, `false` one that is off. Keys
 * that begin with `_` or `$` are passed over. Everything is checked but what the flags need of each other, so that a
 * wrong file changes nothing.
 *
 * @param file the name to give in errors.
 * @throws FLAGS_FILE_INVALID with the line and key of every mistake.
 */
export function parseFlagsFile(text: string, file: string, compileCondition?: ConditionCompiler): FlagsFile {
  const read = atOnce(parsingFlagsFile(text, file, compileCondition));
  const error = read.mistakes(read.wrong);
  if (error !== undefined) throw error;
  return read;
}

/**
 * The same, in steps of about a flag. What is wrong with its flags is not thrown but in `wrong`, so that it can be told
 * together with what is wrong between them.
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

/** What the flag of an entry needs, whatever else is wrong with it. */
function neededBy(entry: unknown): readonly string[] {
  const { prerequisites } = Object(entry) as { readonly prerequisites?: unknown };
  return Array.isArray(prerequisites) ? prerequisites.map((each) => (typeof each === "string" ? each : "")) : [];
}

/** Names under which other systems, and people, put all flags. */
const WRAPPERS = ["flags", "feature_flags", "featureFlags", "feature-flags", "features", "toggles"];

/** What is wrong with an entry that is not a flag but holds flags. */
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
  const problem = "is not a flag: it holds flags";
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
