import { HeliosError } from "../errors.ts";
import type { Delta, Resource } from "../store/collection.ts";
import type { BucketBy, FlagRule, Gradual, Strategy } from "./evaluate.ts";

/** What a flag is, apart from its name and revision. Plain JSON. */
export interface FlagDefinition extends Omit<FlagRule, "name" | "revision"> {
  /** For people; at most 1,024 characters. */
  readonly description: string;
}

/** A flag with what the store knows of it. A revived flag keeps the create time of its name's first life. */
export type Flag = Resource<FlagDefinition>;

/** What stays of a deleted flag, so that its name is not taken again by accident. */
export interface Tombstone {
  readonly deleted: true;
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
  /** At most 10,000 different texts of 1 to 256 characters. Default empty. */
  readonly whitelist?: readonly string[];
  /** Null: none, which GRADUAL does not take. Default null. */
  readonly gradual?: Gradual | null;
  /** Default empty. */
  readonly description?: string;
  /** Default SESSION_ID. */
  readonly bucketBy?: BucketBy;
  /** At most 128 characters. Empty, and default: the flag's name. */
  readonly salt?: string;
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
  const { enabled, strategy, percentage, whitelist, description, bucketBy, salt } = { ...from, ...given(fields) };
  const gradual = fields.gradual === undefined ? from.gradual : fields.gradual;
  return {
    enabled,
    strategy,
    percentage,
    whitelist,
    ...(gradual === undefined || gradual === null ? {} : { gradual: ordered(gradual) }),
    description,
    bucketBy,
    salt: salt === "" ? name : salt,
    bucketingVersion: 1,
  };
}

/** Whether two definitions say the same. */
export function sameDefinition(a: FlagDefinition, b: FlagDefinition): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export function flagNotFound(name: string): HeliosError {
  return HeliosError.of("FLAG_NOT_FOUND", { name });
}

function given(fields: FlagFields): Omit<FlagFields, "gradual"> {
  const { gradual: _, ...others } = fields;
  return Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
}

function ordered(gradual: Gradual): Gradual {
  // What is no object is for the validation to tell.
  if (typeof gradual !== "object") return gradual;
  const { initialPercentage, targetPercentage, startTime, endTime } = gradual;
  return {
    initialPercentage,
    targetPercentage,
    ...(startTime === undefined ? {} : { startTime }),
    ...(endTime === undefined ? {} : { endTime }),
  };
}
