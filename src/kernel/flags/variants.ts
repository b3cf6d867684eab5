import { BUCKETS, bucketing, VARIANT_SEED } from "./bucket.ts";
import { answer, answerBy, type Evaluation, type EvaluationContext, type EvaluationReason } from "./evaluation.ts";
import { keyOf } from "./key.ts";
import type { FlagRule, Identity, Json, Variant } from "./rule.ts";

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

const ON = { variant: "on", value: true };

/** Prepares the answers of a flag that is on, for each reason. `flag`: the part of the rule that answers need. */
export function answerOn(rule: FlagRule, flag: Identity): (reason: EvaluationReason) => EvaluateOn {
  const { bucketBy, salt, variants = [] } = rule;
  const weighty = variants.filter(({ weight }) => weight > 0);
  if (weighty.length <= 1) {
    const [only] = weighty;
    const form = only === undefined ? ON : { variant: only.name, value: frozen(only.value) };
    return (reason) => {
      let everyone: Evaluation | undefined;
      return (_context, _nowMs, bucket) => {
        if (bucket !== undefined) return answerBy(flag, true, form, reason, bucket);
        everyone ??= Object.freeze({ ...answer(flag, true, reason), ...form });
        return everyone;
      };
    };
  }
  const limits = variantLimits(weighty);
  const forms = weighty.map((variant) => ({ variant: variant.name, value: frozen(variant.value) }));
  const readKey = keyOf(bucketBy);
  const bucketOf = bucketing(salt, VARIANT_SEED);
  return (given) => {
    const reason = given === "STATIC" ? "SPLIT" : given;
    return (context, _nowMs, bucket) => {
      const key = readKey(context);
      if (key === undefined || key === "") return answer(flag, false, "ERROR", "TARGETING_KEY_MISSING");
      const variantBucket = bucketOf(key);
      let at = 0;
      while (variantBucket >= (limits[at] ?? BUCKETS)) at++;
      return answerBy(flag, true, forms[at] as (typeof forms)[number], reason, bucket, variantBucket);
    };
  };
}

/** Freezes the value and everything in it, because many callers get the same value. */
function frozen(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}
