import type { BucketBy, Strategy } from "../../kernel/flags/rule.ts";
import { show, textViolation, type Violation, violation } from "../errors/violation.ts";
import type { JsonPath } from "../json/path.ts";
import { isName, NAME_LIMIT } from "../text/names.ts";
import { EARLIEST_TIME, LATEST_TIME } from "../text/rfc3339.ts";
import type { FlagDefinition } from "./record.ts";
import { ON_STALES, stalenessViolation } from "./rules/staleness.ts";
import { metadataViolation, prerequisitesViolations, variantsViolations } from "./rules/targets.ts";
import { lineViolation, whitelistViolations } from "./rules/whitelist.ts";

export const STRATEGIES = [
  "ALL_ON",
  "ALL_OFF",
  "PERCENTAGE",
  "WHITELIST",
  "GRADUAL",
] as const satisfies readonly Strategy[];
export const BUCKET_BYS = ["SESSION_ID", "USER_ID", "SYMBOL", "SYSTEM"] as const satisfies readonly BucketBy[];

/** Length of a flag's description; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const DESCRIPTION_LIMIT = 1024;
/** Length of a flag's owner; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const OWNER_LIMIT = 256;
/** Tags of a flag; more are refused with `ARGUMENT_INVALID`. @limit tags */
const TAGS_LIMIT = 50;
/** Length of a tag of a flag; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const TAG_LIMIT = 128;
/** Length of a flag's condition; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const CONDITION_LIMIT = 2048;

/** Returns what is wrong with a flag's name. */
export function nameViolation(name: unknown): Violation | undefined {
  if (isName(name)) return undefined;
  return violation(["name"], name, `1 to ${NAME_LIMIT} letters, digits and _ . : -, a letter or digit first`);
}

/**
 * Everything that is wrong with a definition. Values of `before` are accepted, because they may be older than the rule that
 * they break. It checks types, too: the values may come from a file.
 */
export function definitionViolations(definition: FlagDefinition, before?: FlagDefinition): readonly Violation[] {
  const { enabled, strategy, percentage, whitelist, whitelistFirst, gradual, bucketBy } = definition;
  const { owner, tags, metadata, variants, condition, prerequisites, onStale, maxStalenessMs, killed } = definition;
  /** An unchanged text is not checked. */
  const text = (key: "description" | "salt" | "condition", limit: number): Violation | undefined =>
    before !== undefined && definition[key] === before[key] ? undefined : textViolation([key], definition[key], limit);
  const found = [
    typeof enabled === "boolean" ? undefined : violation(["enabled"], enabled, "true or false"),
    oneOf(["strategy"], strategy, STRATEGIES),
    percentageViolation(["percentage"], percentage),
    ...whitelistViolations(whitelist, before?.whitelist ?? []),
    whitelistFirst === undefined || whitelistFirst === true
      ? undefined
      : violation(["whitelist_first"], whitelistFirst, "true or false"),
    ...gradualViolations(gradual),
    text("description", DESCRIPTION_LIMIT),
    oneOf(["bucket_by"], bucketBy, BUCKET_BYS),
    text("salt", NAME_LIMIT),
    owner === undefined || owner === before?.owner ? undefined : lineViolation(["owner"], owner, OWNER_LIMIT),
    ...tagsViolations(tags, before?.tags ?? []),
    metadata === undefined ? undefined : metadataViolation(metadata, before?.metadata),
    ...variantsViolations(variants, before?.variants),
    condition === undefined ? undefined : text("condition", CONDITION_LIMIT),
    ...prerequisitesViolations(prerequisites),
    onStale === undefined ? undefined : oneOf(["on_stale"], onStale, ON_STALES),
    stalenessViolation(onStale, maxStalenessMs),
    killed === undefined || killed === true ? undefined : violation(["killed"], killed, "true, or nothing"),
    killed && enabled
      ? { path: ["enabled"], problem: "true, and the flag is killed", expected: "false while killed is true" }
      : undefined,
    strategy === "GRADUAL" && gradual === undefined
      ? {
          path: ["gradual"],
          problem: "missing",
          expected: "a schedule, or an initial_percentage, for the strategy GRADUAL",
        }
      : undefined,
  ];
  return found.filter((each) => each !== undefined);
}

/** The first thing that is wrong with a definition. */
export function definitionViolation(definition: FlagDefinition, before?: FlagDefinition): Violation | undefined {
  return definitionViolations(definition, before)[0];
}

/** Returns what is wrong with a percentage. */
export function percentageViolation(path: JsonPath, value: unknown): Violation | undefined {
  // This is exact: a double is the nearest to n/1000 exactly if it equals the quotient.
  const valid = typeof value === "number" && value >= 0 && value <= 100 && Math.round(value * 1000) / 1000 === value;
  return valid ? undefined : violation(path, value, "a number from 0 to 100 with at most three decimals");
}

function tagsViolations(tags: unknown, known: readonly string[]): readonly Violation[] {
  if (tags === undefined) return [];
  if (!Array.isArray(tags)) return [violation(["tags"], tags, "a list of texts")];
  if (tags.length > TAGS_LIMIT) {
    return [{ path: ["tags"], problem: `${tags.length} tags`, expected: `at most ${TAGS_LIMIT}` }];
  }
  const found = tags.map((tag, index) => {
    const path = ["tags", index];
    if (tags.indexOf(tag) < index) return { path, problem: `${show(tag)} comes twice`, expected: "each tag once" };
    if (known.includes(tag)) return undefined;
    return tag === ""
      ? violation(path, tag, `a text of 1 to ${TAG_LIMIT} characters`)
      : lineViolation(path, tag, TAG_LIMIT);
  });
  return found.filter((each) => each !== undefined);
}

function gradualViolations(gradual: unknown): readonly Violation[] {
  if (gradual === undefined) return [];
  if (typeof gradual !== "object" || gradual === null) return [violation(["gradual"], gradual, "a schedule")];
  const { initialPercentage, targetPercentage, startTime, endTime, pausedAt } = gradual as Record<string, unknown>;
  const found = [
    percentageViolation(["gradual", "initial_percentage"], initialPercentage),
    percentageViolation(["gradual", "target_percentage"], targetPercentage),
    timeViolation(["gradual", "start_time"], startTime),
    timeViolation(["gradual", "end_time"], endTime) ?? orderViolation(startTime, endTime),
    timeViolation(["gradual", "paused_at"], pausedAt),
    pausedAt !== undefined && startTime === undefined
      ? { path: ["gradual", "paused_at"], problem: "without times", expected: "start_time and end_time beside it" }
      : undefined,
  ];
  return found.filter((each) => each !== undefined);
}

/** Returns what is wrong with a wall time in ms. */
export function timeViolation(path: JsonPath, time: unknown): Violation | undefined {
  if (time === undefined) return undefined;
  if (Number.isInteger(time) && Number(time) >= EARLIEST_TIME && Number(time) <= LATEST_TIME) return undefined;
  return violation(path, time, "a time in the years 1 to 9999, in whole milliseconds");
}

function orderViolation(start: unknown, end: unknown): Violation | undefined {
  if ((start === undefined) !== (end === undefined)) {
    const path = ["gradual", start === undefined ? "start_time" : "end_time"];
    return { path, problem: "missing", expected: "both start_time and end_time, or neither" };
  }
  if (start === undefined || Number(end) > Number(start)) return undefined;
  return { path: ["gradual", "end_time"], problem: "not after start_time", expected: "a later time" };
}

function oneOf(path: JsonPath, value: unknown, allowed: readonly string[]): Violation | undefined {
  return allowed.some((one) => one === value) ? undefined : violation(path, value, `one of ${allowed.join(", ")}`);
}
