import { HeliosError } from "../errors.ts";
import { type JsonPath, pathText } from "../json-source.ts";
import { nearest } from "../nearest.ts";
import { parseTime, printTime } from "../rfc3339.ts";
import { Mistake, parseFile } from "../source-file.ts";
import { show } from "../violation.ts";
import { type FlagDefinition, type FlagFields, withFields } from "./definition.ts";
import type { Gradual } from "./evaluate.ts";
import { BUCKET_BYS, definitionViolation, nameViolation, STRATEGIES } from "./validate.ts";

/** A flag as a file tells it. */
export interface FileFlag {
  readonly name: string;
  readonly definition: FlagDefinition;
  /** Wall time in ms; for people, the store knows better. */
  readonly updatedAt?: number;
}

/** A flag in the flags file's shape. */
export interface FileEntry {
  readonly enabled: boolean;
  /** In lower case. */
  readonly strategy: string;
  readonly percentage?: number;
  readonly whitelist?: readonly string[];
  readonly gradual?: Readonly<Record<string, number | string>>;
  readonly description: string;
  readonly bucket_by?: string;
  readonly salt?: string;
  readonly updated_at?: string;
}

const REQUIRED = ["enabled", "strategy"];
const KEYS = [
  ...REQUIRED,
  "percentage",
  "whitelist",
  "gradual",
  "description",
  "bucket_by",
  "salt",
  "bucketing_version",
  "updated_at",
];
const GRADUAL_KEYS = ["initial_percentage", "target_percentage", "start_time", "end_time"];

/**
 * Reads a flags file: a JSON object of flags by name, each with `enabled`, `strategy` in lower case and what else it
 * needs; an absent key has the default of a new flag. Everything is checked, so that a wrong file changes nothing.
 *
 * @param file the name to give in errors.
 * @throws FLAGS_FILE_INVALID with the line and key of the first mistake.
 */
export function parseFlagsFile(text: string, file: string): readonly FileFlag[] {
  const source = parseFile(text, file, fileInvalid);
  try {
    return Object.entries(objectAt(source.value, [], "an object of flags by name")).map(([name, entry]) =>
      readFlag(name, entry),
    );
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    const { path, problem, expected } = error.violation;
    throw fileInvalid(file, source.lineOf(path), pathText(path), problem, expected);
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

/** The flags in the file's shape, by name; what has its default is left out. */
export function flagsFileShape(flags: readonly FileFlag[]): Readonly<Record<string, FileEntry>> {
  const byName = [...flags].sort((a, b) => (a.name < b.name ? -1 : 1));
  return Object.fromEntries(byName.map((flag) => [flag.name, fileEntry(flag)]));
}

/** Writes a flags file that `parseFlagsFile` reads back as the same flags. */
export function printFlagsFile(flags: readonly FileFlag[]): string {
  return `${JSON.stringify(flagsFileShape(flags), undefined, 2)}\n`;
}

function readFlag(name: string, value: unknown): FileFlag {
  const badName = nameViolation(name);
  if (badName !== undefined) throw new Mistake({ ...badName, path: [name] });
  const entry = objectAt(value, [name], "an object with the flag's keys");
  checkKeys(entry, [name], KEYS, REQUIRED);
  const { enabled, percentage, whitelist, description, salt, bucketing_version, updated_at } = entry;
  if (bucketing_version !== undefined && bucketing_version !== 1) {
    throw mistake([name, "bucketing_version"], bucketing_version, "1");
  }
  const fields = {
    enabled,
    strategy: wordAt(entry.strategy, [name, "strategy"], STRATEGIES),
    percentage,
    whitelist,
    gradual: readGradual(entry.gradual, [name, "gradual"]),
    description,
    bucketBy: wordAt(entry.bucket_by, [name, "bucket_by"], BUCKET_BYS),
    salt,
  };
  // The types are looked at by the validation, which tells them in the file's own words.
  const definition = withFields(name, undefined, fields as FlagFields);
  const wrong = definitionViolation(definition);
  if (wrong !== undefined) throw new Mistake({ ...wrong, path: [name, ...wrong.path] });
  const updatedAt = timeAt(updated_at, [name, "updated_at"]);
  return { name, definition, ...(updatedAt === undefined ? {} : { updatedAt }) };
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
  };
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

function objectAt(value: unknown, path: JsonPath, expected: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw mistake(path, value, expected);
  return value as Readonly<Record<string, unknown>>;
}

function mistake(path: JsonPath, value: unknown, expected: string): Mistake {
  return new Mistake({ path, problem: `${show(value)} is not allowed`, expected });
}

function fileEntry({ name, definition, updatedAt }: FileFlag): FileEntry {
  const { enabled, strategy, percentage, whitelist, gradual, description, bucketBy, salt } = definition;
  return {
    enabled,
    strategy: strategy.toLowerCase(),
    ...(strategy === "PERCENTAGE" || percentage !== 0 ? { percentage } : {}),
    ...(strategy === "WHITELIST" || whitelist.length > 0 ? { whitelist } : {}),
    ...(gradual === undefined ? {} : { gradual: gradualEntry(gradual) }),
    description,
    ...(bucketBy === "SESSION_ID" ? {} : { bucket_by: bucketBy.toLowerCase() }),
    ...(salt === name ? {} : { salt }),
    ...(updatedAt === undefined ? {} : { updated_at: printTime(updatedAt) }),
  };
}

function gradualEntry({
  initialPercentage,
  targetPercentage,
  startTime,
  endTime,
}: Gradual): NonNullable<FileEntry["gradual"]> {
  return {
    initial_percentage: initialPercentage,
    target_percentage: targetPercentage,
    ...(startTime === undefined ? {} : { start_time: printTime(startTime) }),
    ...(endTime === undefined ? {} : { end_time: printTime(endTime) }),
  };
}
