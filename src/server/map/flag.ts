import { equals, fromJson, type MessageInitShape, toJson } from "@bufbuild/protobuf";
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
  OnStale,
  Reason,
  Strategy,
  type Variant as VariantMessage,
  type VariantSchema,
} from "../../../gen/helios/v1/flag_pb.ts";
import {
  ExplainedStep,
  type ExplainFlagResponseSchema,
  type FlagDifferenceSchema,
  type FlagHistoryEntrySchema,
  ReloadMode,
  type ReloadMode as ReloadModeMessage,
} from "../../../gen/helios/v1/flag_service_pb.ts";
import {
  ConditionError,
  type Strategy as CoreStrategy,
  cut,
  type Delta,
  type Evaluation,
  type EvaluationContext,
  type Explanation,
  type Flag,
  type FlagDefinition,
  type FlagDifference,
  type FlagFields,
  type FlagMetadata,
  type Gradual,
  HeliosError,
  type Json,
  knownSize,
  messageOf,
  type ReloadOptions,
  shareAt,
  type Variant,
  WHOLE_BYTES,
} from "../../core/index.ts";
import { programOf } from "../cel/condition.ts";
import {
  fromDuration,
  fromTimestamp,
  type JsonValue,
  toCause,
  toDuration,
  toOptionalTimestamp,
  toStruct,
  toTimestamp,
} from "./common.ts";
import { toProgram } from "./condition.ts";
import { make, whole } from "./message.ts";

/** A flag as it is stored, with its condition's program; `nowMs` decides the share in force. */
export function toFlag(flag: Flag, nowMs: number): FlagMessage {
  const message = toFlagAlone(flag, nowMs);
  const { condition } = flag.record;
  const program = condition === undefined ? undefined : compiledProgram(condition);
  if (program !== undefined) message.conditionProgram = program;
  return message;
}

/** Undefined: it was stored when more could be written than can now. */
function compiledProgram(condition: string): FlagMessage["conditionProgram"] {
  try {
    return toProgram(programOf(condition));
  } catch (error) {
    if (error instanceof ConditionError) return undefined;
    throw error;
  }
}

function toFlagAlone(flag: Flag, nowMs: number): FlagMessage {
  return make(FlagSchema, {
    ...content(flag.name, flag.record, nowMs),
    revision: whole(flag.revision),
    etag: flag.etag,
    createTime: toTimestamp(flag.createTime),
    updateTime: toTimestamp(flag.updateTime),
  });
}

/**
 * What a caller may set, of a message that tells it all: in a new flag, what is not set has its default. ARGUMENT_INVALID for
 * one that was read and has something left out.
 */
export function fromNewFlag(message: FlagMessage): FlagFields {
  if (message.abridged) throw leftOut(message);
  return fieldsSet(message);
}

/**
 * What an update sets: the fields that the mask names; without one, those that the message sets to something else than
 * their default. What the server alone sets may be named where it is as `stored` tells it, which is asked once at most.
 * ARGUMENT_INVALID for a path that cannot be changed, and for what was left out when the flag was read.
 */
export function fromUpdate(
  message: FlagMessage,
  mask: FieldMask | undefined,
  stored: () => Flag | undefined,
  nowMs: number,
): FlagFields {
  const fields = isEmpty(mask) ? fieldsSet(message) : fieldsNamed(message, new Set(mask.paths), stored, nowMs);
  if (message.abridged && ("whitelist" in fields || "variants" in fields)) throw leftOut(message);
  return fields;
}

function isEmpty(mask: FieldMask | undefined): mask is undefined {
  return mask === undefined || mask.paths.length === 0;
}

function fieldsSet(message: FlagMessage): FlagFields {
  const set = Object.values(FIELDS).filter(({ isSet }) => isSet(message));
  return Object.fromEntries(set.flatMap(({ read }) => Object.entries(read(message))));
}

function fieldsNamed(
  message: FlagMessage,
  paths: ReadonlySet<string>,
  stored: () => Flag | undefined,
  nowMs: number,
): FlagFields {
  let told: FlagMessage | undefined;
  const tell = (): FlagMessage => {
    if (told !== undefined) return told;
    const flag = stored();
    // A program may be large, and is seldom asked for.
    const toMessage = paths.has("condition_program") ? toFlag : toFlagAlone;
    told = flag === undefined ? make(FlagSchema, {}) : toMessage(flag, nowMs);
    return told;
  };
  const changed = [...paths].filter((path) => !isAsStored(path, message, tell));
  return Object.fromEntries(changed.flatMap((path) => Object.entries(fieldOf(path).read(message))));
}

/** Of what the server alone sets: whoever sends a flag back whole changes nothing of it. */
function isAsStored(path: string, message: FlagMessage, stored: () => FlagMessage): boolean {
  // The share moves by itself.
  if (path === "current_percentage") return true;
  const field = SERVERS_OWN.find(({ name }) => name === path);
  if (field === undefined) return false;
  const alone = (flag: FlagMessage) => make(FlagSchema, { [field.localName]: flag[field.localName] });
  return equals(FlagSchema, alone(message), alone(stored()));
}

function leftOut({ name }: FlagMessage): HeliosError {
  const problem = `says that the whitelist of ${name} and the values of its variants were left out; they cannot be set so`;
  return HeliosError.of("ARGUMENT_INVALID", { field: "flag.abridged", problem });
}

/**
 * Of a flag that was read and is sent back whole, without a mask: the paths that it clears and an update without a mask
 * would leave as they are in `present`.
 */
export function clearedUnsaid(
  message: FlagMessage,
  mask: FieldMask | undefined,
  present: Flag,
  nowMs: number,
): string[] {
  const wasRead = message.revision !== 0n || message.createTime !== undefined || message.updateTime !== undefined;
  if (!wasRead || !isEmpty(mask)) return [];
  const stored = toFlagAlone(present, nowMs);
  return FLAG_PATHS.filter((path) => !fieldOf(path).isSet(message) && fieldOf(path).isSet(stored));
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
  const { name, enabled, variant, value, reason, errorCode, bucket, variantBucket, killed, revision } = evaluation;
  return make(EvaluationSchema, {
    name,
    enabled,
    variant,
    value: toValue(value),
    reason: Reason[reason],
    errorCode: ErrorCode[errorCode ?? "UNSPECIFIED"],
    ...(bucket === undefined ? {} : { bucket }),
    ...(variantBucket === undefined ? {} : { variantBucket }),
    killed,
    revision: whole(revision),
  });
}

/** Length of the input and of the result of a step in an explanation; the rest is cut. @limit characters */
const MAX_EXPLAINED = 16_384;

export function toExplanation(explanation: Explanation): MessageInitShape<typeof ExplainFlagResponseSchema> {
  const { evaluation, steps, revision, nowMs } = explanation;
  return {
    evaluation: toEvaluation(evaluation),
    explanations: steps.map(({ step, ...told }) => ({
      step: ExplainedStep[step],
      ...told,
      lookedAt: cut(told.lookedAt, MAX_EXPLAINED),
      outcome: cut(told.outcome, MAX_EXPLAINED),
    })),
    revision: whole(revision),
    time: toTimestamp(nowMs),
  };
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
  whitelist_first: {
    isSet: ({ whitelistFirst }) => whitelistFirst,
    read: ({ whitelistFirst }) => ({ whitelistFirst }),
  },
  gradual: {
    isSet: ({ gradual }) => gradual !== undefined,
    read: ({ gradual }) => ({ gradual: gradual === undefined ? null : fromGradual(gradual) }),
  },
  description: { isSet: ({ description }) => description !== "", read: ({ description }) => ({ description }) },
  owner: { isSet: ({ owner }) => owner !== "", read: ({ owner }) => ({ owner }) },
  tags: { isSet: ({ tags }) => tags.length > 0, read: ({ tags }) => ({ tags }) },
  metadata: {
    isSet: ({ metadata }) => metadata !== undefined,
    read: ({ metadata }) => ({ metadata: metadata === undefined ? null : (metadata as FlagMetadata) }),
  },
  bucket_by: {
    isSet: ({ bucketBy }) => bucketBy !== BucketBy.UNSPECIFIED,
    read: ({ bucketBy }) => ({ bucketBy: named(BucketBy, bucketBy, "flag.bucket_by") ?? "SESSION_ID" }),
  },
  salt: { isSet: ({ salt }) => salt !== "", read: ({ salt }) => ({ salt }) },
  variants: {
    isSet: ({ variants }) => variants.length > 0,
    read: ({ variants }) => ({ variants: variants.map(fromVariant) }),
  },
  condition: { isSet: ({ condition }) => condition !== "", read: ({ condition }) => ({ condition }) },
  prerequisites: {
    isSet: ({ prerequisites }) => prerequisites.length > 0,
    read: ({ prerequisites }) => ({ prerequisites }),
  },
  on_stale: {
    isSet: ({ onStale }) => onStale !== OnStale.UNSPECIFIED,
    read: ({ onStale }) => ({ onStale: named(OnStale, onStale, "flag.on_stale") ?? "KEEP" }),
  },
  max_staleness: {
    isSet: ({ maxStaleness }) => maxStaleness !== undefined,
    read: ({ maxStaleness }) => ({
      maxStalenessMs: maxStaleness === undefined ? null : fromDuration(maxStaleness),
    }),
  },
};

/** The paths of what a caller may set. */
export const FLAG_PATHS: readonly string[] = Object.keys(FIELDS);

/** What else a flag has, but for its name; the etag says which state is meant. */
const SERVERS_OWN = FlagSchema.fields.filter(({ name }) => !["name", "etag", ...FLAG_PATHS].includes(name)) as {
  readonly name: string;
  readonly localName: keyof FlagMessage;
}[];

function fieldOf(path: string): Field {
  const field = Object.hasOwn(FIELDS, path) ? FIELDS[path] : undefined;
  if (field !== undefined) return field;
  const problem = `"${path}" cannot be changed; these can: ${Object.keys(FIELDS).join(", ")}`;
  throw HeliosError.of("ARGUMENT_INVALID", { field: "update_mask", problem });
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

function toGradual(gradual: Gradual): MessageInitShape<typeof GradualSchema> {
  const { initialPercentage, targetPercentage, startTime, endTime, pausedAt } = gradual;
  return {
    initialPercentage,
    targetPercentage,
    startTime: toOptionalTimestamp(startTime),
    endTime: toOptionalTimestamp(endTime),
    pausedAt: toOptionalTimestamp(pausedAt),
  };
}

function fromGradual({ initialPercentage, targetPercentage, startTime, endTime, pausedAt }: GradualMessage): Gradual {
  const start = fromTimestamp(startTime, "flag.gradual.start_time");
  const end = fromTimestamp(endTime, "flag.gradual.end_time");
  const paused = fromTimestamp(pausedAt, "flag.gradual.paused_at");
  return {
    initialPercentage,
    targetPercentage,
    ...(start === undefined ? {} : { startTime: start }),
    ...(end === undefined ? {} : { endTime: end }),
    ...(paused === undefined ? {} : { pausedAt: paused }),
  };
}

function toVariant({ name, weight, value }: Variant): MessageInitShape<typeof VariantSchema> {
  return { name, weight, value: toValue(value) };
}

function fromVariant({ name, weight, value }: VariantMessage): Variant {
  return { name, weight, value: value === undefined ? true : fromValue(value) };
}

/** ARGUMENT_INVALID for a value of which nothing is set, or of which a number is not finite: JSON has no such. */
function fromValue(value: Value): Json {
  try {
    return toJson(ValueSchema, value);
  } catch (error) {
    throw HeliosError.of("ARGUMENT_INVALID", { field: "flag.variants", problem: messageOf(error) });
  }
}

function toValue(value: Json): Value {
  return fromJson(ValueSchema, value as JsonValue);
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
