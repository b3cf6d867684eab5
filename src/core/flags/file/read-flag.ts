import { type Violation, violation } from "../../errors/violation.ts";
import { objectAt, type Report, reportUnknown, wordAt } from "../../json/fields.ts";
import type { JsonPath } from "../../json/path.ts";
import { parseTime } from "../../text/rfc3339.ts";
import { type ConditionCompiler, conditionProblem } from "../condition.ts";
import { type FlagDefinition, type FlagFields, withFields } from "../record.ts";
import { flagSizeViolation } from "../rules/size.ts";
import { ON_STALES } from "../rules/staleness.ts";
import { BUCKET_BYS, definitionViolations, nameViolation, STRATEGIES } from "../validate.ts";

/** A flag in a file. */
export interface FileFlag {
  readonly name: string;
  readonly definition: FlagDefinition;
  /** Wall time in ms; for people. The store keeps its own. */
  readonly updatedAt?: number;
}

const REQUIRED = ["enabled", "strategy"];
const KEYS = [
  ...REQUIRED,
  "percentage",
  "whitelist",
  "whitelist_first",
  "gradual",
  "description",
  "owner",
  "tags",
  "metadata",
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

/** Whether a key is ignored: people and their tools write comments and `$schema` so. */
export function isIgnored(key: string): boolean {
  return key.startsWith("_") || key.startsWith("$");
}

/** Reads one flag of a file, and reports every mistake. Undefined if no flag can be read. */
export function readFlag(
  name: string,
  value: unknown,
  compileCondition: ConditionCompiler | undefined,
  report: Report,
): FileFlag | undefined {
  const badName = nameViolation(name);
  if (badName !== undefined) report({ ...badName, path: [name] });
  if (typeof value === "boolean") {
    const strategy = value ? "ALL_ON" : "ALL_OFF";
    return { name, definition: withFields(name, undefined, { enabled: value, strategy }) };
  }
  const entry = objectAt(value, [name], "an object with the flag's keys, or true or false", report);
  if (entry === undefined) return undefined;
  const wrong: JsonPath[] = [];
  const reportHere: Report = (violation) => {
    wrong.push(violation.path);
    report(violation);
  };
  checkKeys(entry, [name], KEYS, REQUIRED, reportHere);
  const { enabled, percentage, whitelist, description, owner, tags, metadata, salt } = entry;
  const { whitelist_first, bucketing_version, condition, prerequisites, killed } = entry;
  if (bucketing_version !== undefined && bucketing_version !== 1) {
    reportHere(violation([name, "bucketing_version"], bucketing_version, "1"));
  }
  if (killed !== undefined && typeof killed !== "boolean") {
    reportHere(violation([name, "killed"], killed, "true or false"));
  }
  const fields = {
    enabled,
    strategy: wordAt(entry.strategy, [name, "strategy"], STRATEGIES, reportHere),
    percentage,
    whitelist,
    whitelistFirst: whitelist_first,
    gradual: readGradual(entry.gradual, [name, "gradual"], reportHere),
    description,
    owner,
    tags,
    metadata,
    bucketBy: wordAt(entry.bucket_by, [name, "bucket_by"], BUCKET_BYS, reportHere),
    salt,
    variants: readVariants(entry.variants, [name, "variants"], reportHere),
    condition,
    prerequisites,
    onStale: wordAt(entry.on_stale, [name, "on_stale"], ON_STALES, reportHere),
    maxStalenessMs: durationAt(entry.max_staleness, [name, "max_staleness"], reportHere),
  };
  // The validation checks the types, and names them in the words of the file.
  const definition = {
    ...withFields(name, undefined, fields as FlagFields),
    ...(killed === true ? { killed } : {}),
  } as FlagDefinition;
  const violations = definitionViolations(definition);
  const tooLarge = violations.length > 0 || wrong.length > 0 ? undefined : flagSizeViolation(definition);
  const inFile = [...violations, ...(tooLarge === undefined ? [] : [tooLarge])].map((found) => ({
    ...found,
    path: [name, ...found.path],
  }));
  const found = inFile.filter((violation) => !wrong.some((path) => follows(violation, path)));
  for (const violation of found) report(violation);
  if (typeof definition.condition === "string" && !found.some(({ path }) => path[1] === "condition")) {
    checkCondition([name, "condition"], definition.condition, compileCondition, report);
  }
  const updatedAt = timeAt(entry.updated_at, [name, "updated_at"], report);
  return { name, definition, ...(updatedAt === undefined ? {} : { updatedAt }) };
}

/** Whether a violation follows from a reported one: it is inside the wrong value, or a key is missing beside a misspelt one. */
function follows({ path, problem }: Violation, wrong: JsonPath): boolean {
  const isBelow = wrong.every((step, at) => path[at] === step);
  const isBeside = path.length === wrong.length && wrong.slice(0, -1).every((step, at) => path[at] === step);
  return isBelow || (problem === "missing" && isBeside && path.length > 2);
}

function checkCondition(
  path: JsonPath,
  condition: string,
  compile: ConditionCompiler | undefined,
  report: Report,
): void {
  const found = conditionProblem(condition, compile);
  if (found === undefined) return;
  const { message, expected, position } = found;
  report({ path, problem: position === undefined ? message : `${position}: ${message}`, expected });
}

function readGradual(value: unknown, path: JsonPath, report: Report): unknown {
  if (value === undefined) return undefined;
  const entry = objectAt(value, path, "an object with initial_percentage and target_percentage", report);
  if (entry === undefined) return undefined;
  checkKeys(entry, path, GRADUAL_KEYS, [], report);
  return {
    initialPercentage: entry.initial_percentage,
    targetPercentage: entry.target_percentage,
    startTime: timeAt(entry.start_time, [...path, "start_time"], report),
    endTime: timeAt(entry.end_time, [...path, "end_time"], report),
    pausedAt: timeAt(entry.paused_at, [...path, "paused_at"], report),
  };
}

function readVariants(value: unknown, path: JsonPath, report: Report): unknown {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) {
    report(violation(path, value, "a list of variants"));
    return undefined;
  }
  return value.map((variant, index) => {
    const entry = objectAt(variant, [...path, index], "an object with name, weight and value", report);
    if (entry === undefined) return variant;
    checkKeys(entry, [...path, index], VARIANT_KEYS, ["name", "weight"], report);
    const { name, weight, value: payload = true } = entry;
    return { name, weight, value: payload };
  });
}

function checkKeys(
  entry: object,
  path: JsonPath,
  known: readonly string[],
  required: readonly string[],
  report: Report,
): void {
  const own = Object.keys(entry).filter((key) => !isIgnored(key));
  const guesses = reportUnknown(own, path, known, report);
  for (const key of required) {
    // A misspelt key is not reported as missing, too.
    if (key in entry || guesses.includes(key)) continue;
    report({ path: [...path, key], problem: "missing", expected: `the key "${key}"` });
  }
}

function timeAt(value: unknown, path: JsonPath, report: Report): number | undefined {
  if (value === undefined) return undefined;
  // People and their tools write a blank instead of the T, and omit the zone.
  const text = typeof value === "string" ? value.replace(/^(\d{4}-\d\d-\d\d) /, "$1T") : "";
  const time = parseTime(text) ?? parseTime(`${text}Z`);
  if (time === undefined) {
    report(violation(path, value, "an RFC 3339 time, such as 2025-01-16T10:00:00Z"));
  }
  return time;
}

const DURATION = /^(\d{1,9})(?:\.(\d{1,3}))?s$/;

function durationAt(value: unknown, path: JsonPath, report: Report): number | undefined {
  if (value === undefined) return undefined;
  const match = typeof value === "string" ? DURATION.exec(value) : null;
  if (match === null) {
    report(violation(path, value, 'seconds with at most three decimals, such as "30s" or "1.5s"'));
    return undefined;
  }
  const [, seconds, fraction = ""] = match;
  return Number(seconds) * 1000 + Number(fraction.padEnd(3, "0"));
}
