import type { BucketBy, FlagRule, Gradual, Json, OnStale, Strategy, Variant } from "../../kernel/flags/rule.ts";
import { HeliosError } from "../errors/error.ts";
import { sameJson } from "../json/tree.ts";
import type { Delta, Resource } from "../store/collection.ts";

/** A flag without its name and revision, as plain JSON. An optional member is absent if it has its default. */
export interface FlagDefinition extends Omit<FlagRule, "name" | "revision"> {
  /** For people. At most 1,024 characters. */
  readonly description: string;
  /** The person or team that is responsible for the flag. Absent: none is named. */
  readonly owner?: string;
  /** For searching. Absent: it has no tags. */
  readonly tags?: readonly string[];
  /** Anything that people and their tools store with the flag. Absent: nothing. */
  readonly metadata?: FlagMetadata;
  /** What a client does if its copy of the flag is older than `maxStalenessMs`. Absent: KEEP. */
  readonly onStale?: OnStale;
  /** Absent: a copy is never too old. */
  readonly maxStalenessMs?: number;
}

/** Any JSON object. */
export type FlagMetadata = { readonly [key: string]: Json };

/** A flag as stored. A flag that was created again after its deletion keeps its first create time. */
export type Flag = Resource<FlagDefinition>;

/** The record of a deleted flag. It keeps the name from being reused by accident. */
export interface Tombstone {
  readonly deleted: true;
  /** The flag was killed. A new flag of the same name is killed, too. */
  readonly killed?: true;
  /** The flags file deleted it, because it no longer named the flag. The flag comes back when the file names it again. */
  readonly byFile?: true;
  /** Its schedule, if that was paused. It is still paused when the file brings the flag back. */
  readonly gradual?: Gradual;
}

/** The value that is stored under a flag's name. */
export type FlagRecord = FlagDefinition | Tombstone;

/** The members of a flag that a caller may set. An absent member keeps its value or, in a new flag, has its default. */
export interface FlagFields {
  /** Default false. */
  readonly enabled?: boolean;
  /** Default ALL_ON. */
  readonly strategy?: Strategy;
  /** 0 to 100, at most three decimals. Default 0. */
  readonly percentage?: number;
  /** At most 10,000 different texts of 1 to 256 characters, without blanks at either end. Default empty. */
  readonly whitelist?: readonly string[];
  /** With PERCENTAGE and GRADUAL: the flag is on for listed entries, whatever their bucket. Default false. */
  readonly whitelistFirst?: boolean;
  /** Null: no schedule. GRADUAL needs one. Default null. */
  readonly gradual?: Gradual | null;
  /** Default empty. */
  readonly description?: string;
  /** At most 256 characters, without blanks at either end. Default empty. */
  readonly owner?: string;
  /** At most 50 different texts of 1 to 128 characters, without blanks at either end. Default empty. */
  readonly tags?: readonly string[];
  /** At most 16,384 characters as JSON. Null: none. Default null. */
  readonly metadata?: FlagMetadata | null;
  /** Default SESSION_ID. */
  readonly bucketBy?: BucketBy;
  /** At most 128 characters. Empty: the flag's name. Default empty. */
  readonly salt?: string;
  /** At most 100. Default empty: the flag is only on or off. */
  readonly variants?: readonly Variant[];
  /** A CEL expression over `context`, at most 2,048 characters. Empty: no condition. Default empty. */
  readonly condition?: string;
  /** At most 32 names of other flags. Default empty. */
  readonly prerequisites?: readonly string[];
  /** Default KEEP. */
  readonly onStale?: OnStale;
  /** From 1 s to 365 days, in whole ms. Null: a copy is never too old. OFF needs one. Default null. */
  readonly maxStalenessMs?: number | null;
}

export function isTombstone(record: FlagRecord): record is Tombstone {
  return "deleted" in record;
}

/** The resource as a flag; undefined if it is a tombstone, or undefined. */
export function asFlag(resource: Resource<FlagRecord> | undefined): Flag | undefined {
  if (resource === undefined || isTombstone(resource.record)) return undefined;
  return resource as Flag;
}

/** A change of a record as a change of a flag. A tombstone appears as an absent flag. */
export function flagDelta({ name, revision, time, cause, before, resource }: Delta<FlagRecord>): Delta<FlagDefinition> {
  const flag = asFlag(resource);
  return {
    name,
    revision,
    time,
    cause,
    ...(before === undefined || isTombstone(before) ? {} : { before }),
    ...(flag === undefined ? {} : { resource: flag }),
  };
}

const NEW_FLAG: FlagDefinition = {
  enabled: false,
  strategy: "ALL_ON",
  percentage: 0,
  whitelist: [],
  description: "",
  bucketBy: "SESSION_ID",
  salt: "",
  bucketingVersion: 1,
};

/** `base`, or a new flag, with `fields` set. It does not validate. Members always come in the same order. */
export function withFields(name: string, base: FlagDefinition | undefined, fields: FlagFields): FlagDefinition {
  const from = base ?? NEW_FLAG;
  const { enabled, strategy, percentage, whitelist, description, bucketBy, salt, ...rest } = {
    ...from,
    ...given(fields),
  };
  const {
    owner,
    tags,
    metadata,
    whitelistFirst,
    gradual,
    variants,
    condition,
    prerequisites,
    onStale,
    maxStalenessMs,
  } = rest;
  return {
    enabled,
    strategy,
    percentage,
    whitelist,
    ...(whitelistFirst === undefined || whitelistFirst === false ? {} : { whitelistFirst: whitelistFirst as true }),
    ...(isNothing(gradual) ? {} : { gradual: ordered(gradual) }),
    description,
    ...(isEmpty(owner) ? {} : { owner }),
    ...(isEmpty(tags) ? {} : { tags }),
    ...(isNothing(metadata) || isEmptyObject(metadata) ? {} : { metadata }),
    bucketBy,
    salt: salt === "" ? name : salt,
    bucketingVersion: 1,
    ...(isEmpty(variants) ? {} : { variants: orderedVariants(variants) }),
    ...(isEmpty(condition) ? {} : { condition }),
    ...(isEmpty(prerequisites) ? {} : { prerequisites }),
    ...(onStale === undefined || onStale === "KEEP" ? {} : { onStale }),
    ...(isNothing(maxStalenessMs) ? {} : { maxStalenessMs }),
    ...(from.killed ? { killed: true } : {}),
  };
}

/** The flag killed: off until it is enabled with a reason. It keeps its strategy. */
export function killedOff(flag: FlagDefinition): FlagDefinition {
  return { ...flag, enabled: false, killed: true };
}

/** The flag no longer killed, and still off. */
export function withoutKill({ killed: _, ...flag }: FlagDefinition): FlagDefinition {
  return flag;
}

/** Whether two definitions are equal. The order of an object's members does not matter. */
export function sameDefinition(a: FlagDefinition, b: FlagDefinition): boolean {
  return sameJson(a, b);
}

export function flagNotFound(name: string): HeliosError {
  return HeliosError.of("FLAG_NOT_FOUND", { name });
}

/** The tombstone of a flag that is deleted. */
export function tombstoneOf({ killed }: FlagDefinition): Tombstone {
  return { deleted: true, ...(killed ? { killed } : {}) };
}

/** The tombstone of a flag that the flags file deletes. The file deletes no flag that is killed. */
export function fileTombstoneOf({ gradual }: FlagDefinition): Tombstone {
  return { deleted: true, byFile: true, ...(gradual?.pausedAt === undefined ? {} : { gradual }) };
}

function given(fields: FlagFields): FlagFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function isNothing(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

function isEmpty(value: string | readonly unknown[] | undefined): value is undefined {
  return value === undefined || value?.length === 0;
}

function isEmptyObject(value: object): boolean {
  return typeof value === "object" && !Array.isArray(value) && Object.keys(value).length === 0;
}

// A value of another type is left to the validation.
function ordered(gradual: Gradual): Gradual {
  if (typeof gradual !== "object") return gradual;
  const { initialPercentage, targetPercentage, startTime, endTime, pausedAt } = gradual;
  return {
    initialPercentage,
    targetPercentage,
    ...(startTime === undefined ? {} : { startTime }),
    ...(endTime === undefined ? {} : { endTime }),
    ...(pausedAt === undefined ? {} : { pausedAt }),
  };
}

function orderedVariants(variants: readonly Variant[]): readonly Variant[] {
  if (!Array.isArray(variants)) return variants;
  return variants.map((variant: Variant) => {
    if (typeof variant !== "object" || variant === null) return variant;
    const { name, weight, value } = variant;
    return { name, weight, value };
  });
}
