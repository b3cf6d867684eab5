import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  BucketBy,
  type Flag as FlagMessage,
  FlagSchema,
  OnStale,
  Strategy,
} from "../../../../gen/helios/v1/flag_pb.ts";
import type { FlagDifferenceSchema, FlagHistoryEntrySchema } from "../../../../gen/helios/v1/flag_service_pb.ts";
import {
  ConditionError,
  type Delta,
  type Flag,
  type FlagDefinition,
  type FlagDifference,
  KERNEL_VERSION,
  knownSize,
  shareAt,
  WHOLE_BYTES,
} from "../../../core/index.ts";
import { programOf } from "../../cel/condition.ts";
import { toCause, toDuration, toStruct, toTimestamp } from "../common.ts";
import { toProgram } from "../condition.ts";
import { make, whole } from "../message.ts";
import { toGradual, toVariant } from "./values.ts";

/** Converts a stored flag, with the program of its condition. `nowMs` determines the current percentage. */
export function toFlag(flag: Flag, nowMs: number): FlagMessage {
  const message = toFlagAlone(flag, nowMs);
  const { condition } = flag.record;
  const program = condition === undefined ? undefined : compiledProgram(condition);
  if (program !== undefined) message.conditionProgram = program;
  return message;
}

/** Undefined if an earlier version stored a condition that is not allowed any more. */
function compiledProgram(condition: string): FlagMessage["conditionProgram"] {
  try {
    return toProgram(programOf(condition));
  } catch (error) {
    if (error instanceof ConditionError) return undefined;
    throw error;
  }
}

export function toFlagAlone(flag: Flag, nowMs: number): FlagMessage {
  return make(FlagSchema, {
    ...content(flag.name, flag.record, nowMs),
    revision: whole(flag.revision),
    etag: flag.etag,
    createTime: toTimestamp(flag.createTime),
    updateTime: toTimestamp(flag.updateTime),
  });
}

export function toDifference(
  { name, before, after }: FlagDifference,
  nowMs: number,
): MessageInitShape<typeof FlagDifferenceSchema> {
  return {
    name,
    ...(before === undefined ? {} : { before: content(name, before, nowMs) }),
    ...(after === undefined ? {} : { after: content(name, after, nowMs) }),
  };
}

export function toHistoryEntry(
  { name, revision, time, cause, before, resource }: Delta<FlagDefinition>,
  nowMs: number,
): MessageInitShape<typeof FlagHistoryEntrySchema> {
  return {
    revision: whole(revision),
    time: toTimestamp(time),
    cause: toCause(cause),
    ...(before === undefined ? {} : { before: content(name, before, nowMs) }),
    ...(resource === undefined ? {} : { after: toFlagAlone(resource, nowMs) }),
  };
}

function content(name: string, definition: FlagDefinition, nowMs: number): MessageInitShape<typeof FlagSchema> {
  const { enabled, strategy, percentage, whitelist, gradual, description, bucketBy, salt } = definition;
  const {
    owner = "",
    tags = [],
    metadata,
    whitelistFirst = false,
    variants = [],
    condition = "",
    prerequisites = [],
    onStale = "KEEP",
    maxStalenessMs,
    killed,
  } = definition;
  const currentPercentage = shareAt(definition, nowMs);
  const abridged = knownSize(definition) > WHOLE_BYTES;
  return {
    name,
    enabled,
    strategy: Strategy[strategy],
    percentage,
    abridged,
    whitelist: abridged ? [] : [...whitelist],
    whitelistFirst,
    ...(gradual === undefined ? {} : { gradual: toGradual(gradual) }),
    description,
    owner,
    tags: [...tags],
    ...(metadata === undefined ? {} : { metadata: toStruct(metadata) }),
    bucketBy: BucketBy[bucketBy],
    salt,
    bucketingVersion: definition.bucketingVersion,
    // Every kind of flag is as old as the kernel.
    kernelVersion: KERNEL_VERSION,
    ...(currentPercentage === undefined ? {} : { currentPercentage }),
    variants: variants.map((variant) =>
      abridged ? { name: variant.name, weight: variant.weight } : toVariant(variant),
    ),
    condition,
    prerequisites: [...prerequisites],
    onStale: OnStale[onStale],
    ...(maxStalenessMs === undefined ? {} : { maxStaleness: toDuration(maxStalenessMs) }),
    killed: killed ?? false,
  };
}
