import { BUCKETS, bucketing, VARIANT_SEED } from "./bucket.ts";
import { listing } from "./listing.ts";

/** For whom an enabled flag is on. */
export type Strategy = "ALL_ON" | "ALL_OFF" | "PERCENTAGE" | "WHITELIST" | "GRADUAL";

/** The field of the context whose value chooses the bucket. `SESSION_ID` falls back to the user id where it is empty. */
export type BucketBy = "SESSION_ID" | "USER_ID" | "SYMBOL" | "SYSTEM";

/** What a client does with a flag once its copy is older than `maxStalenessMs`. */
export type OnStale = "KEEP" | "OFF";

/** A value of JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** One of the forms that a flag has for those for whom it is on. */
export interface Variant {
  /** Unique in its flag; never `off`. */
  readonly name: string;
  /** Its share is `weight` of the sum of all weights. A whole number, 0 or more. */
  readonly weight: number;
  readonly value: Json;
}

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
  /** Wall time in ms at which the schedule was paused: the share stays where it was then. Only where there are times. */
  readonly pausedAt?: number;
}

/** What an evaluation needs to know of a flag. */
export interface FlagRule {
  readonly name: string;
  readonly revision: number;
  readonly enabled: boolean;
  readonly strategy: Strategy;
  /** 0 to 100, at most three decimals. */
  readonly percentage: number;
  /** Values of a context's fields, or such as `user_id:alice` those of one field. */
  readonly whitelist: readonly string[];
  /** With PERCENTAGE and GRADUAL: who is on the whitelist has the flag, whatever the bucket. */
  readonly whitelistFirst?: true;
  readonly gradual?: Gradual;
  readonly bucketBy: BucketBy;
  readonly salt: string;
  /** The algorithm that turns a key into a bucket; there is one. */
  readonly bucketingVersion: 1;
  /** Chosen among for those for whom the flag is on; the sum of weights is above 0. Absent: none. */
  readonly variants?: readonly Variant[];
  /** What must hold of the context, as text. Absent: nothing. */
  readonly condition?: string;
  /** Names of the flags that must be on for the same context. Absent: none. */
  readonly prerequisites?: readonly string[];
  /** Switched off so that nothing but an explicit EnableFlag brings it back; never together with `enabled`. */
  readonly killed?: true;
}

/** What the conditions of one evaluation have used together: those of a flag and of the flags that it needs. */
export interface SharedBudget {
  steps: number;
  bytes: number;
  /** The limit that one of them exceeded, in words. Undefined: none yet. */
  exceeded: string | undefined;
}

/** That of an evaluation that begins. */
export function freshBudget(): SharedBudget {
  return { steps: 0, bytes: 0, exceeded: undefined };
}

/**
 * A flag's condition made ready. Throws where it cannot be evaluated over that context. It counts what it takes in `shared`,
 * within what is left there, and says there where it exceeds that.
 */
export type Condition = (context: EvaluationContext, shared?: SharedBudget) => boolean;

/**
 * Flags that a flag needs, directly or not; a change that would let one need more is refused with
 * `FLAG_PREREQUISITES_TOO_MANY`, and one that was stored with more is off with `TOO_MANY_PREREQUISITES`. @limit flags
 */
export const MAX_CLOSURE = 256;

/** What a flag's own rule does not hold. */
export interface FlagParts {
  /** Absent, though the rule has one: the flag answers CONDITION_FAILED. */
  readonly condition?: Condition | undefined;
  /**
   * Every flag that this one needs, directly or not, each once and in the order of need; undefined stands for one that is
   * missing. More than MAX_CLOSURE: the flag answers TOO_MANY_PREREQUISITES.
   */
  readonly prerequisites?: readonly (CompiledFlag | undefined)[];
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

/** What kept a flag from being evaluated; the names are OpenFeature's, where it has one. */
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
  /** `off`; where the flag is on that of its variant or, if it has none, `on`. */
  readonly variant: string;
  /** Of the variant: false of `off`, true of `on`. */
  readonly value: Json;
  readonly reason: EvaluationReason;
  /** Set exactly where the reason is ERROR. */
  readonly errorCode: EvaluationErrorCode | undefined;
  /** 0 to 99,999; set where there is a key and the strategy asks for its bucket. */
  readonly bucket: number | undefined;
  /** 0 to 99,999; set where it chose the variant. */
  readonly variantBucket: number | undefined;
  /** The flag was killed: the answer must not be kept. */
  readonly killed: boolean;
  /** The flag's; 0 where there is no such flag. */
  readonly revision: number;
}

/** A flag made ready for evaluation. */
export interface CompiledFlag {
  readonly name: string;
  readonly revision: number;
  /** It takes steps: it is enabled, and has a condition. */
  readonly takesSteps: boolean;
  /**
   * `nowMs` is wall time. Pure. The conditions of the flag and of all that it needs share one budget; without conditions
   * nothing is allocated but the answer.
   */
  evaluate(context: EvaluationContext, nowMs: number): Evaluation;
  /** The answer if all its prerequisites were on. */
  alone(context: EvaluationContext, nowMs: number, shared?: SharedBudget): Evaluation;
}

/** Prepares a flag for many evaluations. The rule must be valid; it is not checked here. */
export function compileFlag(rule: FlagRule, { condition, prerequisites = [] }: FlagParts = {}): CompiledFlag {
  const { name, revision } = rule;
  const own = gated(rule, condition);
  return {
    name,
    revision,
    takesSteps: rule.enabled && condition !== undefined,
    evaluate:
      rule.enabled && prerequisites.length > 0
        ? after(rule, prerequisites, own)
        : (context, nowMs) => own(context, nowMs),
    alone: own,
  };
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

/** The value that chooses the bucket; undefined or empty: there is none. */
export function bucketingKey(bucketBy: BucketBy, context: EvaluationContext): string | undefined {
  return KEYS[bucketBy](context);
}

/**
 * The first bucket after those of each variant: one whose variant bucket is below its limit, and not below that of the
 * one before, gets the variant. `ceil(cumulative weight × 100000 / sum of weights)`.
 */
export function variantLimits(variants: readonly Variant[]): readonly number[] {
  const total = variants.reduce((sum, { weight }) => sum + weight, 0);
  let cumulative = 0;
  return variants.map(({ weight }) => {
    cumulative += weight;
    return Math.ceil((cumulative * BUCKETS) / total);
  });
}

type Evaluate = CompiledFlag["evaluate"];
type Alone = CompiledFlag["alone"];
type Identity = Pick<FlagRule, "name" | "revision">;

/** The flag but for its prerequisites. */
function gated(rule: FlagRule, condition: Condition | undefined): Alone {
  if (!rule.enabled) return always(answer(rule, false, "DISABLED", undefined, rule.killed));
  const chosen = strategic(rule);
  if (rule.condition === undefined) return chosen;
  const unmet = answer(rule, false, "DEFAULT");
  const failed = answer(rule, false, "ERROR", "CONDITION_FAILED");
  if (condition === undefined) return always(failed);
  return (context, nowMs, shared) => {
    let holds: boolean;
    try {
      holds = condition(context, shared);
    } catch {
      return failed;
    }
    return holds ? chosen(context, nowMs) : unmet;
  };
}

function after(rule: FlagRule, needed: NonNullable<FlagParts["prerequisites"]>, own: Alone): Evaluate {
  const unmet = answer(rule, false, "DEFAULT");
  const exceeded = answer(rule, false, "ERROR", "CONDITION_FAILED");
  if (needed.length > MAX_CLOSURE) return always(answer(rule, false, "ERROR", "TOO_MANY_PREREQUISITES"));
  const flags = needed.filter((flag) => flag !== undefined);
  if (flags.length < needed.length) return always(answer(rule, false, "ERROR", "PREREQUISITE_MISSING"));
  // What is shared has to be counted only where there is something to share with.
  const isShared = flags.some(({ takesSteps }) => takesSteps);
  return (context, nowMs) => {
    const shared = isShared ? freshBudget() : undefined;
    for (const flag of flags) {
      if (!flag.alone(context, nowMs, shared).enabled) return shared?.exceeded === undefined ? unmet : exceeded;
    }
    return own(context, nowMs, shared);
  };
}

/** What the strategy decides, and then the variant. */
function strategic(rule: FlagRule): Evaluate {
  const onFor = answerOn(rule);
  switch (rule.strategy) {
    case "ALL_ON": {
      const on = onFor(fixedReason(rule));
      // What else an evaluation is given is no bucket.
      return (context, nowMs) => on(context, nowMs);
    }
    case "ALL_OFF":
      return always(answer(rule, false, fixedReason(rule)));
    case "WHITELIST":
      return listed(rule, onFor("TARGETING_MATCH"), always(answer(rule, false, "DEFAULT")));
    case "PERCENTAGE": {
      const share = thousandths(rule.percentage);
      return listedFirst(
        rule,
        onFor,
        split(rule, () => share, onFor("SPLIT")),
      );
    }
    case "GRADUAL":
      return listedFirst(rule, onFor, split(rule, gradualShare(rule.gradual), onFor("SPLIT")));
  }
}

/** What says the same to everyone may be kept by a client (STATIC); what the context has a part in may not. */
function fixedReason({ condition, prerequisites }: FlagRule): EvaluationReason {
  return condition === undefined && prerequisites === undefined ? "STATIC" : "TARGETING_MATCH";
}

function always(evaluation: Evaluation): Evaluate {
  return () => evaluation;
}

/** An answer for those for whom the flag is on. `bucket` is the one that decided that, if one did. */
type EvaluateOn = (context: EvaluationContext, nowMs: number, bucket?: number) => Evaluation;

/** Makes what answers for those for whom the flag is on, for the reason for which it is. */
function answerOn(rule: FlagRule): (reason: EvaluationReason) => EvaluateOn {
  const { name, revision, bucketBy, salt, variants = [] } = rule;
  const weighty = variants.filter(({ weight }) => weight > 0);
  const only = weighty.length > 1 ? undefined : (weighty[0] ?? { name: "on", value: true });
  if (only !== undefined) {
    const { name: variant } = only;
    const value = frozen(only.value);
    return (reason) => {
      const everyone = Object.freeze({ ...answer(rule, true, reason), variant, value });
      return (_context, _nowMs, bucket) =>
        bucket === undefined
          ? everyone
          : {
              name,
              enabled: true,
              variant,
              value,
              reason,
              errorCode: undefined,
              bucket,
              variantBucket: undefined,
              killed: false,
              revision,
            };
    };
  }
  const limits = variantLimits(weighty);
  const forms = weighty.map((variant) => ({ variant: variant.name, value: frozen(variant.value) }));
  const keyOf = KEYS[bucketBy];
  const bucketOf = bucketing(salt, VARIANT_SEED);
  const unknown = answer(rule, false, "ERROR", "TARGETING_KEY_MISSING");
  return (given) => {
    const reason = given === "STATIC" ? "SPLIT" : given;
    return (context, _nowMs, bucket) => {
      const key = keyOf(context);
      if (key === undefined || key === "") return unknown;
      const variantBucket = bucketOf(key);
      let at = 0;
      while (variantBucket >= (limits[at] ?? BUCKETS)) at++;
      const { variant, value } = forms[at] as (typeof forms)[number];
      return {
        name,
        enabled: true,
        variant,
        value,
        reason,
        errorCode: undefined,
        bucket,
        variantBucket,
        killed: false,
        revision,
      };
    };
  };
}

function listed(rule: FlagRule, on: EvaluateOn, others: Evaluate): Evaluate {
  const isListed = listing(rule.whitelist);
  return (context, nowMs) => (isListed(context) ? on(context, nowMs) : others(context, nowMs));
}

/** Those who are listed whatever their bucket, the others by the share. */
function listedFirst(rule: FlagRule, onFor: ReturnType<typeof answerOn>, others: Evaluate): Evaluate {
  if (!rule.whitelistFirst || rule.whitelist.length === 0) return others;
  return listed(rule, onFor("TARGETING_MATCH"), others);
}

function split(rule: FlagRule, share: (nowMs: number) => number, on: EvaluateOn): Evaluate {
  const { name, revision } = rule;
  const keyOf = KEYS[rule.bucketBy];
  const bucketOf = bucketing(rule.salt);
  const nobody = answer(rule, false, "SPLIT");
  const unknown = answer(rule, false, "ERROR", "TARGETING_KEY_MISSING");
  return (context, nowMs) => {
    const limit = share(nowMs);
    const key = keyOf(context);
    if (key === undefined || key === "") {
      return limit === 0 ? nobody : limit === BUCKETS ? on(context, nowMs) : unknown;
    }
    const bucket = bucketOf(key);
    if (bucket < limit) return on(context, nowMs, bucket);
    return {
      name,
      enabled: false,
      variant: "off",
      value: false,
      reason: "SPLIT",
      errorCode: undefined,
      bucket,
      variantBucket: undefined,
      killed: false,
      revision,
    };
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
  const { startTime, endTime, pausedAt } = gradual;
  if (startTime === undefined || endTime === undefined) return () => initial;
  const running = (nowMs: number): number => {
    if (nowMs <= startTime) return initial;
    if (nowMs >= endTime) return target;
    return initial + Math.trunc(((target - initial) * (nowMs - startTime)) / (endTime - startTime));
  };
  if (pausedAt === undefined) return running;
  const held = running(pausedAt);
  return () => held;
}

function answer(
  { name, revision }: Identity,
  enabled: boolean,
  reason: EvaluationReason,
  errorCode?: EvaluationErrorCode,
  killed = false,
): Evaluation {
  const variant = enabled ? "on" : "off";
  // Frozen, because one answer is given to many callers.
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

/** The value, frozen in depth: it is given to many callers. */
function frozen(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}
