import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type FieldMask, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  BucketBy,
  ErrorCode,
  type EvaluationContext as EvaluationContextMessage,
  type Evaluation as EvaluationMessage,
  EvaluationSchema,
  type Flag as FlagMessage,
  FlagSchema,
  type Gradual as GradualMessage,
  type GradualSchema,
  Reason,
  Strategy,
} from "../../../gen/helios/v1/flag_pb.ts";
import {
  type FlagDifferenceSchema,
  type FlagHistoryEntrySchema,
  ReloadMode,
  type ReloadMode as ReloadModeMessage,
} from "../../../gen/helios/v1/flag_service_pb.ts";
import {
  type Strategy as CoreStrategy,
  type Delta,
  type Evaluation,
  type EvaluationContext,
  type Flag,
  type FlagDefinition,
  type FlagDifference,
  type FlagFields,
  type Gradual,
  HeliosError,
  type ReloadOptions,
  shareAt,
} from "../../core/index.ts";
import { fromTimestamp, toCause, toOptionalTimestamp, toTimestamp } from "./common.ts";

/** A flag as it is stored; `nowMs` decides the share in force. */
export function toFlag(flag: Flag, nowMs: number): FlagMessage {
  return create(FlagSchema, {
    ...content(flag.name, flag.record, nowMs),
    revision: BigInt(flag.revision),
    etag: flag.etag,
    createTime: toTimestamp(flag.createTime),
    updateTime: toTimestamp(flag.updateTime),
  });
}

/** What a caller may set, of a message that tells it all: in a new flag, what is not set has its default. */
export function fromNewFlag(message: FlagMessage): FlagFields {
  return Object.fromEntries(
    Object.values(FIELDS)
      .filter(({ isSet }) => isSet(message))
      .flatMap(({ read }) => Object.entries(read(message))),
  );
}

/**
 * What an update sets: the fields that the mask names; without one, those that the message sets to something else than
 * their default. ARGUMENT_INVALID for a path that cannot be changed.
 */
export function fromUpdate(message: FlagMessage, mask: FieldMask | undefined): FlagFields {
  if (mask === undefined || mask.paths.length === 0) return fromNewFlag(message);
  return Object.fromEntries(mask.paths.flatMap((path) => Object.entries(fieldOf(path).read(message))));
}

/** Undefined: nothing said. */
export function fromStrategy(strategy: Strategy, field: string): CoreStrategy | undefined {
  return named(Strategy, strategy, field);
}

export function fromReloadMode(mode: ReloadModeMessage): ReloadOptions["mode"] {
  return named(ReloadMode, mode, "mode");
}

export function fromContext(message: EvaluationContextMessage | undefined): EvaluationContext {
  if (message === undefined) return {};
  const { sessionId, userId, symbol, system, attributes } = message;
  return { sessionId, userId, symbol, system, attributes };
}

export function toEvaluation(evaluation: Evaluation): EvaluationMessage {
  const { name, enabled, variant, value, reason, errorCode, bucket, revision } = evaluation;
  return create(EvaluationSchema, {
    name,
    enabled,
    variant,
    value: toBoolValue(value),
    reason: Reason[reason],
    errorCode: ErrorCode[errorCode ?? "UNSPECIFIED"],
    ...(bucket === undefined ? {} : { bucket }),
    revision: BigInt(revision),
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
    revision: BigInt(revision),
    time: toTimestamp(time),
    cause: toCause(cause),
    ...(before === undefined ? {} : { before: content(name, before, nowMs) }),
    ...(resource === undefined ? {} : { after: toFlag(resource, nowMs) }),
  };
}

interface Field {
  /** Whether the message sets it to something else than its default. */
  readonly isSet: (message: FlagMessage) => boolean;
  readonly read: (message: FlagMessage) => FlagFields;
}

/** The fields that a caller may set, by their path in a mask. */
const FIELDS: Readonly<Record<string, Field>> = {
  enabled: { isSet: ({ enabled }) => enabled, read: ({ enabled }) => ({ enabled }) },
  strategy: {
    isSet: ({ strategy }) => strategy !== Strategy.UNSPECIFIED,
    read: (message) => {
      const strategy = fromStrategy(message.strategy, "flag.strategy");
      if (strategy !== undefined) return { strategy };
      throw HeliosError.of("ARGUMENT_INVALID", { field: "flag.strategy", problem: "must say which" });
    },
  },
  percentage: { isSet: ({ percentage }) => percentage !== 0, read: ({ percentage }) => ({ percentage }) },
  whitelist: { isSet: ({ whitelist }) => whitelist.length > 0, read: ({ whitelist }) => ({ whitelist }) },
  gradual: {
    isSet: ({ gradual }) => gradual !== undefined,
    read: ({ gradual }) => ({ gradual: gradual === undefined ? null : fromGradual(gradual) }),
  },
  description: { isSet: ({ description }) => description !== "", read: ({ description }) => ({ description }) },
  bucket_by: {
    isSet: ({ bucketBy }) => bucketBy !== BucketBy.UNSPECIFIED,
    read: ({ bucketBy }) => ({ bucketBy: named(BucketBy, bucketBy, "flag.bucket_by") ?? "SESSION_ID" }),
  },
  salt: { isSet: ({ salt }) => salt !== "", read: ({ salt }) => ({ salt }) },
};

function fieldOf(path: string): Field {
  const field = Object.hasOwn(FIELDS, path) ? FIELDS[path] : undefined;
  if (field !== undefined) return field;
  const problem = `"${path}" cannot be changed; these can: ${Object.keys(FIELDS).join(", ")}`;
  throw HeliosError.of("ARGUMENT_INVALID", { field: "update_mask", problem });
}

function content(name: string, definition: FlagDefinition, nowMs: number): MessageInitShape<typeof FlagSchema> {
  const { enabled, strategy, percentage, whitelist, gradual, description, bucketBy, salt } = definition;
  const currentPercentage = shareAt(definition, nowMs);
  return {
    name,
    enabled,
    strategy: Strategy[strategy],
    percentage,
    whitelist: [...whitelist],
    ...(gradual === undefined ? {} : { gradual: toGradual(gradual) }),
    description,
    bucketBy: BucketBy[bucketBy],
    salt,
    bucketingVersion: definition.bucketingVersion,
    ...(currentPercentage === undefined ? {} : { currentPercentage }),
  };
}

function toGradual(gradual: Gradual): MessageInitShape<typeof GradualSchema> {
  const { initialPercentage, targetPercentage, startTime, endTime } = gradual;
  return {
    initialPercentage,
    targetPercentage,
    startTime: toOptionalTimestamp(startTime),
    endTime: toOptionalTimestamp(endTime),
  };
}

function fromGradual({ initialPercentage, targetPercentage, startTime, endTime }: GradualMessage): Gradual {
  const start = fromTimestamp(startTime, "flag.gradual.start_time");
  const end = fromTimestamp(endTime, "flag.gradual.end_time");
  return {
    initialPercentage,
    targetPercentage,
    ...(start === undefined ? {} : { startTime: start }),
    ...(end === undefined ? {} : { endTime: end }),
  };
}

function toBoolValue(value: boolean): Value {
  return create(ValueSchema, { kind: { case: "boolValue", value } });
}

/** The name of an enum's value, which is the engine's text for it; undefined for UNSPECIFIED. */
function named<T extends Readonly<Record<string, number>>>(
  values: T,
  value: number,
  field: string,
): Exclude<keyof T & string, "UNSPECIFIED"> | undefined {
  if (value === 0) return undefined;
  for (const name of Object.keys(values)) {
    if (values[name] === value) return name as Exclude<keyof T & string, "UNSPECIFIED">;
  }
  throw HeliosError.of("ARGUMENT_INVALID", { field, problem: `${value} is not a value of this enum` });
}
