import { toJson } from "@bufbuild/protobuf";
import { type Timestamp, ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  BucketBy,
  type Flag,
  type Gradual as GradualMessage,
  OnStale,
  Strategy,
  type Variant as VariantMessage,
} from "../../../../gen/helios/v1/flag_pb.ts";
import type {
  BucketBy as BucketName,
  FlagRule,
  Gradual,
  Json,
  OnStale as OnStaleName,
  Strategy as StrategyName,
  Variant,
} from "../../../../src/kernel/flags/rule.ts";
import { KERNEL_VERSION } from "../../../../src/kernel/flags/version.ts";
import { fromDuration } from "../spans.ts";
import { Unsupported } from "./program.ts";

const STRATEGIES: Readonly<Record<number, StrategyName>> = {
  [Strategy.ALL_ON]: "ALL_ON",
  [Strategy.ALL_OFF]: "ALL_OFF",
  [Strategy.PERCENTAGE]: "PERCENTAGE",
  [Strategy.WHITELIST]: "WHITELIST",
  [Strategy.GRADUAL]: "GRADUAL",
};

const BUCKETS: Readonly<Record<number, BucketName>> = {
  [BucketBy.SESSION_ID]: "SESSION_ID",
  [BucketBy.USER_ID]: "USER_ID",
  [BucketBy.SYMBOL]: "SYMBOL",
  [BucketBy.SYSTEM]: "SYSTEM",
};

const BUCKETING_VERSION = 1;

/** What a client does with a flag if its copy is too old. */
export interface Staleness {
  readonly onStale: OnStaleName;
  /** Undefined: no copy is too old. */
  readonly maxStalenessMs: number | undefined;
}

/**
 * Converts a flag to the rule by which the kernel decides it. Throws Unsupported if the flag has a part that this client does
 * not know. A guess could be wrong.
 */
export function fromFlag(flag: Flag): FlagRule {
  if (flag.kernelVersion > KERNEL_VERSION) throw new Unsupported(`a flag of kernel version ${flag.kernelVersion}`);
  if (flag.abridged) throw new Unsupported("a flag that is too large to be sent whole");
  const { name, revision, enabled, percentage, whitelist, salt, gradual, variants, condition, prerequisites } = flag;
  return {
    name,
    revision: Number(revision),
    enabled,
    strategy: known(STRATEGIES, flag.strategy, "strategy"),
    percentage,
    whitelist,
    ...(flag.whitelistFirst ? { whitelistFirst: true } : {}),
    ...(gradual === undefined ? {} : { gradual: fromGradual(gradual) }),
    bucketBy: known(BUCKETS, flag.bucketBy, "bucket_by"),
    salt,
    bucketingVersion: fromBucketing(flag.bucketingVersion),
    ...(variants.length === 0 ? {} : { variants: variants.map(fromVariant) }),
    ...(condition === "" ? {} : { condition }),
    ...(prerequisites.length === 0 ? {} : { prerequisites }),
    ...(flag.killed ? { killed: true } : {}),
  };
}

/** Returns what the flag says about old copies. A policy that this client does not know is the careful one. */
export function stalenessOf({ onStale, maxStaleness }: Flag): Staleness {
  const isKept = onStale === OnStale.KEEP || onStale === OnStale.UNSPECIFIED;
  return {
    onStale: isKept ? "KEEP" : "OFF",
    maxStalenessMs: maxStaleness === undefined ? undefined : fromDuration(maxStaleness),
  };
}

function known<T>(names: Readonly<Record<number, T>>, value: number, field: string): T {
  const name = names[value];
  if (name === undefined) throw new Unsupported(`the ${field} ${value} of a flag`);
  return name;
}

function fromBucketing(version: number): typeof BUCKETING_VERSION {
  if (version !== BUCKETING_VERSION) throw new Unsupported(`the bucketing version ${version} of a flag`);
  return BUCKETING_VERSION;
}

function fromGradual({ initialPercentage, targetPercentage, startTime, endTime, pausedAt }: GradualMessage): Gradual {
  return {
    initialPercentage,
    targetPercentage,
    ...(startTime === undefined ? {} : { startTime: msOf(startTime) }),
    ...(endTime === undefined ? {} : { endTime: msOf(endTime) }),
    ...(pausedAt === undefined ? {} : { pausedAt: msOf(pausedAt) }),
  };
}

/** The service keeps whole milliseconds. */
const msOf = ({ seconds, nanos }: Timestamp): number => Number(seconds) * 1000 + Math.floor(nanos / 1e6);

function fromVariant({ name, weight, value }: VariantMessage): Variant {
  return { name, weight, value: value === undefined ? true : (toJson(ValueSchema, value) as Json) };
}
