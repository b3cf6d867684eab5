import type { Evaluation, EvaluationErrorCode, EvaluationReason } from "../../../../src/kernel/flags/evaluation.ts";
import type { Json } from "../../../../src/kernel/flags/rule.ts";

/**
 * Where an answer comes from. LIVE: the client is up to date. STALE: it has not heard from the service for a while, and answers
 * with what it was told last. SNAPSHOT: from the snapshot file, because the service has not answered since the start. DEFAULT:
 * the caller's default; `errorCode` says why, unless the flag is off for a caller whose default is no boolean.
 */
export type FlagSource = "LIVE" | "STALE" | "SNAPSHOT" | "DEFAULT";

/** Why a caller gets its default, in addition to what the service may answer. */
export type FlagErrorCode = EvaluationErrorCode | "TYPE_MISMATCH" | "UNSUPPORTED" | "NOT_READY" | "GENERAL";

/** An answer, and why it is this one. */
export interface FlagDetails<T> {
  readonly name: string;
  /** The value for the caller: that of the variant if it has the type of the default, otherwise the default. */
  readonly value: T;
  readonly enabled: boolean;
  /** `off`, `on`, or the name of the variant. Empty if the flag could not be decided. */
  readonly variant: string;
  readonly reason: EvaluationReason;
  readonly errorCode: FlagErrorCode | undefined;
  /** 0 to 99,999, if a bucket decided. */
  readonly bucket: number | undefined;
  readonly variantBucket: number | undefined;
  readonly killed: boolean;
  /** The flag's revision. 0 if the client does not hold the flag. */
  readonly revision: number;
  readonly source: FlagSource;
  /** Time in ms since the service last confirmed what the client knows. Infinite if it never did. */
  readonly ageMs: number;
}

/** Whether a value of a flag can stand for the caller's default. */
export function hasTypeOf<T>(value: Json, standard: T): boolean {
  if (standard === null || standard === undefined) return true;
  if (typeof standard !== "object") return typeof value === typeof standard;
  return typeof value === "object" && value !== null && Array.isArray(value) === Array.isArray(standard);
}

/** What a decision is made of. */
export interface Decided {
  readonly evaluation: Evaluation;
  readonly source: FlagSource;
  readonly ageMs: number;
}

/** The details of a decision for a caller with that default. */
export function detailsOf<T>({ evaluation, source, ageMs }: Decided, standard: T): FlagDetails<T> {
  const { name, enabled, variant, reason, errorCode, bucket, variantBucket, killed, revision } = evaluation;
  const shared = { name, enabled, variant, bucket, variantBucket, killed, revision, ageMs };
  if (errorCode !== undefined) return { ...shared, value: standard, reason, errorCode, source: "DEFAULT" };
  if (hasTypeOf(evaluation.value, standard)) {
    return { ...shared, value: evaluation.value as T, reason, errorCode: undefined, source };
  }
  // A flag that is off has no variant, so that the caller's default applies. That is no mistake.
  if (!enabled) return { ...shared, value: standard, reason, errorCode: undefined, source: "DEFAULT" };
  return { ...shared, value: standard, reason: "ERROR", errorCode: "TYPE_MISMATCH", source: "DEFAULT" };
}

/** The details for a flag that could not be decided. */
export function undecided<T>(name: string, standard: T, errorCode: FlagErrorCode, ageMs: number): FlagDetails<T> {
  return {
    name,
    value: standard,
    enabled: false,
    variant: "",
    reason: "ERROR",
    errorCode,
    bucket: undefined,
    variantBucket: undefined,
    killed: false,
    revision: 0,
    source: "DEFAULT",
    ageMs,
  };
}
