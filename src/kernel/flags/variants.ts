import { BUCKETS, bucketing, VARIANT_SEED } from "./bucket.ts";
import { answer, answerBy, type Evaluation, type EvaluationContext, type EvaluationReason } from "./evaluation.ts";
import { keyOf } from "./key.ts";
import type { FlagRule, Json, Variant } from "./rule.ts";

/**
 * For each variant the first bucket after its own: `ceil(cumulative weight × 100000 / sum of weights)`. A context gets the
 * first variant whose limit is above its variant bucket.
 */
export function variantLimits(variants: readonly Variant[]): readonly number[] {
  const total = variants.reduce((sum, { weight }) => sum + weight, 0);
  let cumulative = 0;
  return variants.map(({ weight }) => {
    cumulative += weight;
    return Math.ceil((cumulative * BUCKETS) / total);
  });
}

/** Makes the answer of a flag that is on. `bucket`: the bucket that decided that it is on, if one did. */
export type EvaluateOn = (context: EvaluationContext, nowMs: number, bucket?: number) => Evaluation;

/** Prepares the answers of a flag that is on, for each reason. */
export function answerOn(rule: FlagRule): (reason: EvaluationReason) => EvaluateOn {
  const { bucketBy, salt, variants = [] } = rule;
  const weighty = variants.filter(({ weight }) => weight > 0);
  const only = weighty.length > 1 ? undefined : (weighty[0] ?? { name: "on", value: true });
  if (only !== undefined) {
    const form = { variant: only.name, value: frozen(only.value) };
    return (reason) => {
      const everyone = Object.freeze({ ...answer(rule, true, reason), ...form });
      return (_context, _nowMs, bucket) =>
        bucket === undefined ? everyone : answerBy(rule, true, form, reason, bucket);
    };
  }
  const limits = variantLimits(weighty);
  const forms = weighty.map((variant) => ({ variant: variant.name, value: frozen(variant.value) }));
  const readKey = keyOf(bucketBy);
  const bucketOf = bucketing(salt, VARIANT_SEED);
  const unknown = answer(rule, false, "ERROR", "TARGETING_KEY_MISSING");
  return (given) => {
    const reason = given === "STATIC" ? "SPLIT" : given;
    return (context, _nowMs, bucket) => {
      const key = readKey(context);
      if (key === undefined || key === "") return unknown;
      const variantBucket = bucketOf(key);
      let at = 0;
      while (variantBucket >= (limits[at] ?? BUCKETS)) at++;
      return answerBy(rule, true, forms[at] as (typeof forms)[number], reason, bucket, variantBucket);
    };
  };
}

/** Freezes the value and everything in it, because many callers get the same value. */
function frozen(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}
