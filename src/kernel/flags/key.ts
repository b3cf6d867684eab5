import type { EvaluationContext } from "./evaluation.ts";
import type { BucketBy } from "./rule.ts";

const KEYS: Readonly<Record<BucketBy, (context: EvaluationContext) => string | undefined>> = {
  SESSION_ID: ({ sessionId, userId }) => (sessionId === undefined || sessionId === "" ? userId : sessionId),
  USER_ID: ({ userId }) => userId,
  SYMBOL: ({ symbol }) => symbol,
  SYSTEM: ({ system }) => system,
};

/** The value that chooses the bucket. Undefined or empty if the context has no such value. */
export function bucketingKey(bucketBy: BucketBy, context: EvaluationContext): string | undefined {
  return keyOf(bucketBy)(context);
}

/** Returns a function that reads this value from a context. */
export function keyOf(bucketBy: BucketBy): (context: EvaluationContext) => string | undefined {
  return KEYS[bucketBy];
}
