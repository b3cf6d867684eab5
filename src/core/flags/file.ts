import { HeliosError } from "../errors.ts";
import { type JsonPath, pathText } from "../json-source.ts";
import { nearest } from "../nearest.ts";
import { parseTime } from "../rfc3339.ts";
import { Mistake, parseFile } from "../source-file.ts";
import { show } from "../violation.ts";
import { type ConditionCompiler, conditionProblem } from "./condition.ts";
import { type FlagDefinition, type FlagFields, withFields } from "./definition.ts";
import { flagSizeViolation } from "./size.ts";
import { BUCKET_BYS, definitionViolation, nameViolation, STRATEGIES } from "./validate.ts";
import { ON_STALES } from "./validate-staleness.ts";

/** A flag as a file tells it. */
export interface FileFlag {
  readonly name: string;
  readonly definition: FlagDefinition;
  /** Wall time in ms; for people, the store knows better. */
  readonly updatedAt?: number;
}

/** A flags file that was read. */
export interface FlagsFile {
  readonly text: string;
  readonly flags: readonly FileFlag[];
  /** FLAGS_FILE_INVALID at that place. */
  mistake(path: JsonPath, problem: string, expected: string): HeliosError;
}

const REQUIRED = ["enabled", "strategy"];
const KEYS = [
  ...REQUIRED,
  "percentage",
  "whitelist",
  "whitelist_first",
  "gradual",
  "description",
  "bucket_by",
  "salt",
  "bucketing_version",
  "variants",
  "condition",
  "prerequisites",
  "on_stale",
  "max_staleness",
  "killed",
  "updated_at",
];
const GRADUAL_KEYS = ["initial_percentage", "target_percentage", "start_time", "end_time", "paused_at"];
const VARIANT_KEYS = ["name", "weight", "value"];

/**
 * Reads a flags file: a JSON object of flags by name, each with `enabled`, `strategy` in lower case and what else it
 * needs; an absent key has the default of a new flag. Everything is checked but what the flags need of each other, so
 * that a wrong file changes nothing.
 *
 * @param file the name to give in errors.
 * @throws FLAGS_FILE_INVALID with the line and key of the first mistake.
 */
export function parseFlagsFile(text: string, file: string, compileCondition?: ConditionCompiler): FlagsFile {
  const source = parseFile(text, file, fileInvalid);
  const invalid: FlagsFile["mistake"] = (path, problem, expected) =>
    fileInvalid(file, source.lineOf(path), pathText(path), problem, expected);
  try {
    const entries = Object.entries(objectAt(source.value, [], "an object of flags by name"));
    const flags = entries.map(([name, entry]) => readFlag(name, entry, compileCondition));
    return { text, flags, mistake: invalid };
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    const { path, problem, expected } = error.violation;
    throw invalid(path, problem, expected);
  }
}

/** The error for a flags file. `line` 0: the file as a whole. */
export function fileInvalid(
  file: string,
  line: number,
  key: string,
  problem: string,
  expected: string,
  cause?: unknown,
): HeliosError {
  return HeliosError.of("FLAGS_FILE_INVALID", { file, line, key, problem, expected }, { cause });
}

function readFlag(name: string, value: unknown, compileCondition: ConditionCompiler | undefined): FileFlag {
  const badName = nameViolation(name);
  if (badName !== undefined) throw new Mistake({ ...badName, path: [name] });
  const entry = objectAt(value, [name], "an object with the flag's keys");
  checkKeys(entry, [name], KEYS, REQUIRED);
  const { enabled, percentage, whitelist, description, salt, bucketing_version, updated_at } = entry;
  const { whitelist_first, condition, prerequisites, killed } = entry;
  if (bucketing_version !== undefined && bucketing_version !== 1) {
    throw mistake([name, "bucketing_version"], bucketing_version, "1");
  }
  if (killed !== undefined && typeof killed !== "boolean") throw mistake([name, "killed"], killed, "true or false");
  const fields = {
    enabled,
    strategy: wordAt(entry.strategy, [name, "strategy"], STRATEGIES),
    percentage,
    whitelist,
    whitelistFirst: whitelist_first,
    gradual: readGradual(entry.gradual, [name, "gradual"]),
    description,
    bucketBy: wordAt(entry.bucket_by, [name, "bucket_by"], BUCKET_BYS),
    salt,
    variants: readVariants(entry.variants, [name, "variants"]),
    condition,
    prerequisites,
    onStale: wordAt(entry.on_stale, [name, "on_stale"], ON_STALES),
    maxStalenessMs: durationAt(entry.max_staleness, [name, "max_staleness"]),
  };
  // The types are looked at by the validation, which tells them in the file's own words.
  const definition = {
    ...withFields(name, undefined, fields as FlagFields),
    ...(killed ? { killed } : {}),
  } as FlagDefinition;
  const wrong = definitionViolation(definition) ?? flagSizeViolation(definition);
  if (wrong !== undefined) throw new Mistake({ ...wrong, path: [name, ...wrong.path] });
  checkCondition(name, definition.condition, compileCondition);
  const updatedAt = timeAt(updated_at, [name, "updated_at"]);
  return { name, definition, ...(updatedAt === undefined ? {} : { updatedAt }) };
}

function checkCondition(name: string, condition: string | undefined, compile: ConditionCompiler | undefined): void {
  const found = condition === undefined ? undefined : conditionProblem(condition, compile);
  if (found === undefined) return;
  const { message, expected, position } = found;
  const problem = position === undefined ? message : `${position}: ${message}`;
  throw new Mistake({ path: [name, "condition"], problem, expected });
}

function readGradual(value: unknown, path: JsonPath): unknown {
  if (value === undefined) return undefined;
  const entry = objectAt(value, path, "an object with initial_percentage and target_percentage");
  checkKeys(entry, path, GRADUAL_KEYS, []);
  return {
    initialPercentage: entry.initial_percentage,
    targetPercentage: entry.target_percentage,
    startTime: timeAt(entry.start_time, [...path, "start_time"]),
    endTime: timeAt(entry.end_time, [...path, "end_time"]),
    pausedAt: timeAt(entry.paused_at, [...path, "paused_at"]),
  };
}

function readVariants(value: unknown, path: JsonPath): unknown {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw mistake(path, value, "a list of variants");
  return value.map((variant, index) => {
    const entry = objectAt(variant, [...path, index], "an object with name, weight and value");
    checkKeys(entry, [...path, index], VARIANT_KEYS, ["name", "weight"]);
    const { name, weight, value: payload = true } = entry;
    return { name, weight, value: payload };
  });
}

function checkKeys(entry: object, path: JsonPath, known: readonly string[], required: readonly string[]): void {
  for (const key of Object.keys(entry)) {
    if (known.includes(key)) continue;
    const guess = nearest(key, known);
    throw new Mistake({
      path: [...path, key],
      problem: "unknown key",
      expected: guess === undefined ? `one of ${known.join(", ")}` : `"${guess}"`,
    });
  }
  for (const key of required) {
    if (!(key in entry)) throw new Mistake({ path: [...path, key], problem: "missing", expected: `the key "${key}"` });
  }
}

function wordAt(value: unknown, path: JsonPath, words: readonly string[]): string | undefined {
  if (value === undefined) return undefined;
  const lower = words.map((word) => word.toLowerCase());
  if (typeof value === "string" && lower.includes(value)) return value.toUpperCase();
  throw mistake(path, value, `one of ${lower.join(", ")}`);
}

function timeAt(value: unknown, path: JsonPath): number | undefined {
  if (value === undefined) return undefined;
  const time = typeof value === "string" ? parseTime(value) : undefined;
  if (time === undefined) throw mistake(path, value, "an RFC 3339 time, such as 2025-01-16T10:00:00Z");
  return time;
}

const DURATION = /^(\d{1,9})(?:\.(\d{1,3}))?s$/;

function durationAt(value: unknown, path: JsonPath): number | undefined {
  if (value === undefined) return undefined;
  const match = typeof value === "string" ? DURATION.exec(value) : null;
  if (match === null) throw mistake(path, value, 'seconds with at most three decimals, such as "30s" or "1.5s"');
  const [, seconds, fraction = ""] = match;
  return Number(seconds) * 1000 + Number(fraction.padEnd(3, "0"));
}

function objectAt(value: unknown, path: JsonPath, expected: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw mistake(path, value, expected);
  return value as Readonly<Record<string, unknown>>;
}

function mistake(path: JsonPath, value: unknown, expected: string): Mistake {
  return new Mistake({ path, problem: `${show(value)} is not allowed`, expected });
}
