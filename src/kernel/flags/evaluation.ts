import type { FlagRule, Json } from "./rule.ts";

/** For whom, or for what, a flag is evaluated. An empty text counts as absent. */
export interface EvaluationContext {
  readonly sessionId?: string | undefined;
  readonly userId?: string | undefined;
  readonly symbol?: string | undefined;
  readonly system?: string | undefined;
  readonly attributes?: Readonly<Record<string, unknown>> | undefined;
}

/** Why an evaluation has its answer. The names are OpenFeature's. */
export type EvaluationReason = "DISABLED" | "STATIC" | "SPLIT" | "TARGETING_MATCH" | "DEFAULT" | "ERROR";

/** Why a flag could not be evaluated. The names are those of OpenFeature, if it has one for the case. */
export type EvaluationErrorCode =
  | "TARGETING_KEY_MISSING"
  | "FLAG_NOT_FOUND"
  | "CONDITION_FAILED"
  | "PREREQUISITE_MISSING"
  | "TOO_MANY_PREREQUISITES";

/** The answer of a flag for one context. */
export interface Evaluation {
  readonly name: string;
  readonly enabled: boolean;
  /** `off` if the flag is off. If it is on, the name of its variant, or `on` if it has no variants. */
  readonly variant: string;
  /** The value of the variant. That of `off` is false, that of `on` is true. */
  readonly value: Json;
  readonly reason: EvaluationReason;
  /** Set if, and only if, the reason is ERROR. */
  readonly errorCode: EvaluationErrorCode | undefined;
  /** 0 to 99,999. Set if the context has a key and the strategy uses its bucket. */
  readonly bucket: number | undefined;
  /** 0 to 99,999. Set if a bucket chose the variant. */
  readonly variantBucket: number | undefined;
  /** Whether the flag is killed. A client must not keep such an answer. */
  readonly killed: boolean;
  /** The revision of the flag. 0 if there is no such flag. */
  readonly revision: number;
}

/** The answer for a name that no flag has. */
export function missingFlag(name: string): Evaluation {
  return answer({ name, revision: 0 }, false, "ERROR", "FLAG_NOT_FOUND");
}

/** An answer without buckets. It is frozen, because one answer is given to many callers. */
export function answer(
  { name, revision }: Pick<FlagRule, "name" | "revision">,
  enabled: boolean,
  reason: EvaluationReason,
  errorCode?: EvaluationErrorCode,
  killed = false,
): Evaluation {
  const variant = enabled ? "on" : "off";
  return Object.freeze({
    name,
    enabled,
    variant,
    value: enabled,
    reason,
    errorCode,
    bucket: undefined,
    variantBucket: undefined,
    killed,
    revision,
  });
}

/** An answer that depends on a bucket, created for each caller. `form`: the variant and its value, or `off` and false. */
export function answerBy(
  { name, revision }: Pick<FlagRule, "name" | "revision">,
  enabled: boolean,
  form: Pick<Evaluation, "variant" | "value">,
  reason: EvaluationReason,
  bucket: number | undefined,
  variantBucket?: number,
): Evaluation {
  const { variant, value } = form;
  return {
    name,
    enabled,
    variant,
    value,
    reason,
    errorCode: undefined,
    bucket,
    variantBucket,
    killed: false,
    revision,
  };
}
