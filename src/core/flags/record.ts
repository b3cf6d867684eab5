import type { BucketBy, FlagRule, Gradual, Json, OnStale, Strategy, Variant } from "../../kernel/flags/rule.ts";
import { HeliosError } from "../errors/error.ts";
import { sameJson } from "../json/tree.ts";
import type { Delta, Resource } from "../store/collection.ts";

/** What a flag is, apart from its name and revision. Plain JSON; what may be absent is, where it has its default. */
export interface FlagDefinition extends Omit<FlagRule, "name" | "revision"> {
  /** For people; at most 1,024 characters. */
  readonly description: string;
  /** Who answers for it. Absent: nobody is named. */
  readonly owner?: string;
  /** To find the flag by. Absent: it has no tags. */
  readonly tags?: readonly string[];
  /** What else people and their tools keep with it. Absent: nothing. */
  readonly metadata?: FlagMetadata;
  /** What a client does once its copy is older than `maxStalenessMs`. Absent: KEEP. */
  readonly onStale?: OnStale;
  /** Absent: a copy is never too old. */
  readonly maxStalenessMs?: number;
}

/** Any JSON object. */
export type FlagMetadata = { readonly [key: string]: Json };

/** A flag with what the store knows of it. A revived flag keeps the create time of its name's first life. */
export type Flag = Resource<FlagDefinition>;

/** What stays of a deleted flag, so that its name is not taken again by accident. */
export interface Tombstone {
  readonly deleted: true;
  /** The flag was killed: it is still, when its name is taken again. */
  readonly killed?: true;
  /** The flags file deleted it, by no longer naming it: it comes back when the file names it again. */
  readonly byFile?: true;
  /** Of a schedule that was paused: it is still, when the file brings it back. */
  readonly gradual?: Gradual;
}

/** A flag as stored. */
export type FlagRecord = FlagDefinition | Tombstone;

/** What a caller may set; what is absent keeps its value or, in a new flag, its default. */
export interface FlagFields {
  /** Default false. */
  readonly enabled?: boolean;
  /** Default ALL_ON. */
  readonly strategy?: Strategy;
  /** 0 to 100, at most three decimals. Default 0. */
  readonly percentage?: number;
  /** At most 10,000 different texts of 1 to 256 characters, without blanks at their ends. Default empty. */
  readonly whitelist?: readonly string[];
  /** With PERCENTAGE and GRADUAL: who is on the whitelist has the flag, whatever the bucket. Default false. */
  readonly whitelistFirst?: boolean;
  /** Null: none, which GRADUAL does not take. Default null. */
  readonly gradual?: Gradual | null;
  /** Default empty. */
  readonly description?: string;
  /** At most 256 characters, without blanks at the ends. Default empty. */
  readonly owner?: string;
  /** At most 50 different ones of 1 to 128 characters, without blanks at the ends. Default empty. */
  readonly tags?: readonly string[];
  /** At most 16,384 characters as JSON. Null, and default: none. */
  readonly metadata?: FlagMetadata | null;
  /** Default SESSION_ID. */
  readonly bucketBy?: BucketBy;
  /** At most 128 characters. Empty, and default: the flag's name. */
  readonly salt?: string;
  /** At most 100. Default empty: the flag is on or off, and nothing else. */
  readonly variants?: readonly Variant[];
  /** A CEL expression over `context`, at most 2,048 characters. Default empty: none. */
  readonly condition?: string;
  /** At most 32 names of other flags. Default empty. */
  readonly prerequisites?: readonly string[];
  /** Default KEEP. */
  readonly onStale?: OnStale;
  /** From 1 s to 365 days, in whole ms; null: none, which OFF does not take. Default null. */
  readonly maxStalenessMs?: number | null;
}

export function isTombstone(record: FlagRecord): record is Tombstone {
  return "deleted" in record;
}

/** The resource as a flag; undefined where it is a tombstone, or nothing. */
export function asFlag(resource: Resource<FlagRecord> | undefined): Flag | undefined {
  if (resource === undefined || isTombstone(resource.record)) return undefined;
  return resource as Flag;
}

/** A change of a record as a change of a flag: what becomes a tombstone was deleted, what was one was not there. */
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

/** `base`, or a new flag, with `fields` set. Not validated. The members always come in one order. */
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

/** The flag switched off for good, and its strategy kept. */
export function killedOff(flag: FlagDefinition): FlagDefinition {
  return { ...flag, enabled: false, killed: true };
}

/** The flag as it was before it was killed, but off. */
export function withoutKill({ killed: _, ...flag }: FlagDefinition): FlagDefinition {
  return flag;
}

/** Whether two definitions say the same. The order of a JSON object's members says nothing. */
export function sameDefinition(a: FlagDefinition, b: FlagDefinition): boolean {
  return sameJson(a, b);
}

export function flagNotFound(name: string): HeliosError {
  return HeliosError.of("FLAG_NOT_FOUND", { name });
}

/** The tombstone of a flag that somebody deletes. */
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

// What is no object is for the validation to tell.
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
