import { BUCKETS, bucketing } from "./bucket.ts";

/** For whom an enabled flag is on. */
export type Strategy = "ALL_ON" | "ALL_OFF" | "PERCENTAGE" | "WHITELIST" | "GRADUAL";

/** The field of the context whose value chooses the bucket. `SESSION_ID` falls back to the user id where it is empty. */
export type BucketBy = "SESSION_ID" | "USER_ID" | "SYMBOL" | "SYSTEM";

/** The schedule of GRADUAL. Without times the share stays at `initialPercentage`. */
export interface Gradual {
  /** The share before and at `startTime`, 0 to 100. */
  readonly initialPercentage: number;
  /** The share at and after `endTime`, 0 to 100. */
  readonly targetPercentage: number;
  /** Wall time in ms; given together with `endTime` or not at all. */
  readonly startTime?: number;
  /** Wall time in ms, after `startTime`. */
  readonly endTime?: number;
}

/** What an evaluation needs to know of a flag. */
export interface FlagRule {
  readonly name: string;
  readonly revision: number;
  readonly enabled: boolean;
  readonly strategy: Strategy;
  /** 0 to 100, at most three decimals. */
  readonly percentage: number;
  readonly whitelist: readonly string[];
  readonly gradual?: Gradual;
  readonly bucketBy: BucketBy;
  readonly salt: string;
  /** The algorithm that turns a key into a bucket; there is one. */
  readonly bucketingVersion: 1;
}

/** For whom, or what, a flag is evaluated. An empty text is as good as none. */
export interface EvaluationContext {
  readonly sessionId?: string | undefined;
  readonly userId?: string | undefined;
  readonly symbol?: string | undefined;
  readonly system?: string | undefined;
  readonly attributes?: Readonly<Record<string, unknown>> | undefined;
}

/** Why an evaluation came out as it did; the names are OpenFeature's. */
export type EvaluationReason = "DISABLED" | "STATIC" | "SPLIT" | "TARGETING_MATCH" | "DEFAULT" | "ERROR";

/** What kept a flag from being evaluated; the names are OpenFeature's. */
export type EvaluationErrorCode = "TARGETING_KEY_MISSING" | "FLAG_NOT_FOUND";

/** The answer of a flag for one context. */
export interface Evaluation {
  readonly name: string;
  readonly enabled: boolean;
  readonly variant: "on" | "off";
  readonly value: boolean;
  readonly reason: EvaluationReason;
  /** Set exactly where the reason is ERROR. */
  readonly errorCode: EvaluationErrorCode | undefined;
  /** 0 to 99,999; set where there is a key and the strategy asks for its bucket. */
  readonly bucket: number | undefined;
  /** The flag's; 0 where there is no such flag. */
  readonly revision: number;
}

/** A flag made ready for evaluation. */
export interface CompiledFlag {
  readonly name: string;
  readonly revision: number;
  /** `nowMs` is wall time. Pure; allocates at most its answer. */
  evaluate(context: EvaluationContext, nowMs: number): Evaluation;
}

/** Prepares a flag for many evaluations. The rule must be valid; it is not checked here. */
export function compileFlag(rule: FlagRule): CompiledFlag {
  const { name, revision } = rule;
  return { name, revision, evaluate: evaluator(rule) };
}

/** The answer for a name that no flag has. */
export function missingFlag(name: string): Evaluation {
  return answer({ name, revision: 0 }, false, "ERROR", "FLAG_NOT_FOUND");
}

/** A percentage in whole thousandths, in which shares are compared with buckets: 25 is 25,000. */
export function thousandths(percentage: number): number {
  return Math.round(percentage * 1000);
}

/**
 * The share of traffic that the flag's strategy gives at a time, as a percentage; undefined for a strategy without
 * shares. Whether the flag is enabled plays no part.
 */
export function shareAt(
  rule: Pick<FlagRule, "strategy" | "percentage" | "gradual">,
  nowMs: number,
): number | undefined {
  if (rule.strategy === "PERCENTAGE") return rule.percentage;
  if (rule.strategy === "GRADUAL") return gradualShare(rule.gradual)(nowMs) / 1000;
  return undefined;
}

type Evaluate = CompiledFlag["evaluate"];
type Identity = Pick<FlagRule, "name" | "revision">;

function evaluator(rule: FlagRule): Evaluate {
  if (!rule.enabled) return always(answer(rule, false, "DISABLED"));
  switch (rule.strategy) {
    case "ALL_ON":
      return always(answer(rule, true, "STATIC"));
    case "ALL_OFF":
      return always(answer(rule, false, "STATIC"));
    case "WHITELIST":
      return listed(rule);
    case "PERCENTAGE": {
      const share = thousandths(rule.percentage);
      return split(rule, () => share);
    }
    case "GRADUAL":
      return split(rule, gradualShare(rule.gradual));
  }
}

function always(evaluation: Evaluation): Evaluate {
  return () => evaluation;
}

function listed(rule: FlagRule): Evaluate {
  const entries = new Set(rule.whitelist);
  const match = answer(rule, true, "TARGETING_MATCH");
  const other = answer(rule, false, "DEFAULT");
  const has = (value: string | undefined): boolean => value !== undefined && value !== "" && entries.has(value);
  return ({ userId, symbol, system, sessionId }) =>
    has(userId) || has(symbol) || has(system) || has(sessionId) ? match : other;
}

function split(rule: FlagRule, share: (nowMs: number) => number): Evaluate {
  const { name, revision } = rule;
  const keyOf = KEYS[rule.bucketBy];
  const bucketOf = bucketing(rule.salt);
  const everyone = answer(rule, true, "SPLIT");
  const nobody = answer(rule, false, "SPLIT");
  const unknown = answer(rule, false, "ERROR", "TARGETING_KEY_MISSING");
  return (context, nowMs) => {
    const limit = share(nowMs);
    const key = keyOf(context);
    if (key === undefined || key === "") return limit === 0 ? nobody : limit === BUCKETS ? everyone : unknown;
    const bucket = bucketOf(key);
    const enabled = bucket < limit;
    const variant = enabled ? "on" : "off";
    return { name, enabled, variant, value: enabled, reason: "SPLIT", errorCode: undefined, bucket, revision };
  };
}

const KEYS: Readonly<Record<BucketBy, (context: EvaluationContext) => string | undefined>> = {
  SESSION_ID: ({ sessionId, userId }) => (sessionId === undefined || sessionId === "" ? userId : sessionId),
  USER_ID: ({ userId }) => userId,
  SYMBOL: ({ symbol }) => symbol,
  SYSTEM: ({ system }) => system,
};

/** The share over time, in thousandths: `initial + trunc((target - initial) × elapsed / duration)` in doubles. */
function gradualShare(gradual: Gradual | undefined): (nowMs: number) => number {
  if (gradual === undefined) return () => 0;
  const initial = thousandths(gradual.initialPercentage);
  const target = thousandths(gradual.targetPercentage);
  const { startTime, endTime } = gradual;
  if (startTime === undefined || endTime === undefined) return () => initial;
  return (nowMs) => {
    if (nowMs <= startTime) return initial;
    if (nowMs >= endTime) return target;
    return initial + Math.trunc(((target - initial) * (nowMs - startTime)) / (endTime - startTime));
  };
}

function answer(
  { name, revision }: Identity,
  enabled: boolean,
  reason: EvaluationReason,
  errorCode?: EvaluationErrorCode,
): Evaluation {
  const variant = enabled ? "on" : "off";
  // Frozen, because one answer is given to many callers.
  return Object.freeze({ name, enabled, variant, value: enabled, reason, errorCode, bucket: undefined, revision });
}
