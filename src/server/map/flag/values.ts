import { type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  type Gradual as GradualMessage,
  type GradualSchema,
  Strategy,
  type Variant as VariantMessage,
  type VariantSchema,
} from "../../../../gen/helios/v1/flag_pb.ts";
import { ReloadMode, type ReloadMode as ReloadModeMessage } from "../../../../gen/helios/v1/flag_service_pb.ts";
import {
  type Strategy as CoreStrategy,
  type Gradual,
  invalid,
  type Json,
  messageOf,
  type ReloadOptions,
  type Variant,
} from "../../../core/index.ts";
import { fromTimestamp, toOptionalTimestamp } from "../common.ts";
import { JsonValueInit } from "../json-value.ts";

/** Undefined if no strategy is given. */
export function fromStrategy(strategy: Strategy, field: string): CoreStrategy | undefined {
  return named(Strategy, strategy, field);
}

export function fromReloadMode(mode: ReloadModeMessage): ReloadOptions["mode"] {
  return named(ReloadMode, mode, "mode");
}

export function toGradual(gradual: Gradual): MessageInitShape<typeof GradualSchema> {
  const { initialPercentage, targetPercentage, startTime, endTime, pausedAt } = gradual;
  return {
    initialPercentage,
    targetPercentage,
    startTime: toOptionalTimestamp(startTime),
    endTime: toOptionalTimestamp(endTime),
    pausedAt: toOptionalTimestamp(pausedAt),
  };
}

export function fromGradual({
  initialPercentage,
  targetPercentage,
  startTime,
  endTime,
  pausedAt,
}: GradualMessage): Gradual {
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

export function toVariant({ name, weight, value }: Variant): MessageInitShape<typeof VariantSchema> {
  return { name, weight, value: new JsonValueInit(value) };
}

export function fromVariant({ name, weight, value }: VariantMessage): Variant {
  return { name, weight, value: value === undefined ? true : fromValue(value) };
}

/**
 * Converts a value. Throws ARGUMENT_INVALID for a value that is not set, or a number that is not finite, which JSON does
 * not have.
 */
function fromValue(value: Value): Json {
  try {
    return toJson(ValueSchema, value);
  } catch (error) {
    throw invalid("flag.variants", messageOf(error));
  }
}

/** Returns the name of an enum's value, which the engine uses too. Undefined for UNSPECIFIED. */
export function named<T extends Readonly<Record<string, number>>>(
  values: T,
  value: number,
  field: string,
): Exclude<keyof T & string, "UNSPECIFIED"> | undefined {
  if (value === 0) return undefined;
  for (const name of Object.keys(values)) {
    if (values[name] === value) return name as Exclude<keyof T & string, "UNSPECIFIED">;
  }
  throw invalid(field, `${value} is not a value of this enum`);
}
