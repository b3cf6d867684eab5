import { BUCKETS, bucketing } from "./bucket.ts";
import { type Condition, freshBudget, type SharedBudget } from "./condition/shared.ts";
import { answer, answerBy, type Evaluation, type EvaluationContext, type EvaluationReason } from "./evaluation.ts";
import { keyOf } from "./key.ts";
import { listing } from "./listing.ts";
import type { FlagRule, Identity } from "./rule.ts";
import { gradualShare, thousandths } from "./share.ts";
import { answerOn, type EvaluateOn } from "./variants.ts";

/**
 * Flags that a flag needs, directly or indirectly. A change that would let a flag need more is refused with
 * `FLAG_PREREQUISITES_TOO_MANY`; a stored flag that needs more is off with `TOO_MANY_PREREQUISITES`. @limit flags
 */
export const MAX_CLOSURE = 256;

/** The input of an evaluation besides the flag's rule. */
export interface FlagParts {
  /** The compiled condition. If it is absent although the rule has a condition, the flag answers CONDITION_FAILED. */
  readonly condition?: Condition | undefined;
  /**
   * Every flag that this one needs, directly or not, each once and in the order of need. Undefined stands for a flag that is
   * missing. With more than MAX_CLOSURE the flag answers TOO_MANY_PREREQUISITES.
   */
  readonly prerequisites?: readonly (CompiledFlag | undefined)[];
}

/** A flag that is prepared for many evaluations. */
export interface CompiledFlag {
  readonly name: string;
  readonly revision: number;
  /** Whether evaluating it uses the shared budget, because it is enabled and has a condition. */
  readonly takesSteps: boolean;
  /**
   * `nowMs` is wall time. Pure. The conditions of the flag and of all flags that it needs share one budget. Without
   * conditions, only the answer is allocated.
   */
  evaluate(context: EvaluationContext, nowMs: number): Evaluation;
  /** The answer as if all its prerequisites were on. */
  alone(context: EvaluationContext, nowMs: number, shared?: SharedBudget): Evaluation;
}

/** Prepares a flag for many evaluations. The rule must be valid: it is not checked here. */
export function compileFlag(rule: FlagRule, { condition, prerequisites = [] }: FlagParts = {}): CompiledFlag {
  const { name, revision } = rule;
  const flag = { name, revision };
  const own = gated(rule, flag, condition);
  const isLinked = rule.enabled && prerequisites.length > 0;
  const takesSteps = rule.enabled && condition !== undefined;
  return { name, revision, takesSteps, evaluate: isLinked ? after(flag, prerequisites, own) : own, alone: own };
}

type Evaluate = CompiledFlag["evaluate"];
type Alone = CompiledFlag["alone"];

/** The flag without its prerequisites. */
function gated(rule: FlagRule, flag: Identity, condition: Condition | undefined): Alone {
  if (!rule.enabled) return always(answer(flag, false, "DISABLED", undefined, rule.killed));
  const chosen = strategic(rule, flag);
  if (rule.condition === undefined) return chosen;
  if (condition === undefined) return always(answer(flag, false, "ERROR", "CONDITION_FAILED"));
  const unmet = answer(flag, false, "DEFAULT");
  return (context, nowMs, shared) => {
    let holds: boolean;
    try {
      holds = condition(context, shared);
    } catch {
      return answer(flag, false, "ERROR", "CONDITION_FAILED");
    }
    return holds ? chosen(context, nowMs) : unmet;
  };
}

function after(flag: Identity, needed: NonNullable<FlagParts["prerequisites"]>, own: Alone): Evaluate {
  const unmet = answer(flag, false, "DEFAULT");
  const exceeded = answer(flag, false, "ERROR", "CONDITION_FAILED");
  if (needed.length > MAX_CLOSURE) return always(answer(flag, false, "ERROR", "TOO_MANY_PREREQUISITES"));
  const flags = needed.filter((flag) => flag !== undefined);
  if (flags.length < needed.length) return always(answer(flag, false, "ERROR", "PREREQUISITE_MISSING"));
  // A budget is created only if one of the flags uses it.
  const isShared = flags.some(({ takesSteps }) => takesSteps);
  return (context, nowMs) => {
    const shared = isShared ? freshBudget() : undefined;
    for (const flag of flags) {
      if (!flag.alone(context, nowMs, shared).enabled) return shared?.exceeded === undefined ? unmet : exceeded;
    }
    return own(context, nowMs, shared);
  };
}

/** Decides by the strategy whether the flag is on, and then chooses the variant. */
function strategic(rule: FlagRule, flag: Identity): Evaluate {
  const onFor = answerOn(rule, flag);
  switch (rule.strategy) {
    case "ALL_ON": {
      const on = onFor(fixedReason(rule));
      // The function itself would get all arguments of an evaluation, and the third one is not a bucket.
      return (context, nowMs) => on(context, nowMs);
    }
    case "ALL_OFF":
      return always(answer(flag, false, fixedReason(rule)));
    case "WHITELIST":
      return listed(rule, onFor("TARGETING_MATCH"), always(answer(flag, false, "DEFAULT")));
    case "PERCENTAGE": {
      const share = thousandths(rule.percentage);
      return listedFirst(
        rule,
        onFor,
        split(rule, flag, () => share, onFor("SPLIT")),
      );
    }
    case "GRADUAL":
      return listedFirst(rule, onFor, split(rule, flag, gradualShare(rule.gradual), onFor("SPLIT")));
  }
}

/** A client may keep an answer that is the same for everyone (STATIC). It may not keep one that depends on the context. */
function fixedReason({ condition, prerequisites }: FlagRule): EvaluationReason {
  return condition === undefined && prerequisites === undefined ? "STATIC" : "TARGETING_MATCH";
}

function always(evaluation: Evaluation): Evaluate {
  return () => evaluation;
}

function listed(rule: FlagRule, on: EvaluateOn, others: Evaluate): Evaluate {
  const isListed = listing(rule.whitelist);
  return (context, nowMs) => (isListed(context) ? on(context, nowMs) : others(context, nowMs));
}

/** The flag is on for contexts that are listed, whatever their buckets. For the others, the share decides. */
function listedFirst(rule: FlagRule, onFor: ReturnType<typeof answerOn>, others: Evaluate): Evaluate {
  if (!rule.whitelistFirst || rule.whitelist.length === 0) return others;
  return listed(rule, onFor("TARGETING_MATCH"), others);
}

const OFF = { variant: "off", value: false };

function split(rule: FlagRule, flag: Identity, share: (nowMs: number) => number, on: EvaluateOn): Evaluate {
  const readKey = keyOf(rule.bucketBy);
  const bucketOf = bucketing(rule.salt);
  return (context, nowMs) => {
    const limit = share(nowMs);
    const key = readKey(context);
    if (key === undefined || key === "") {
      if (limit === 0) return answer(flag, false, "SPLIT");
      return limit === BUCKETS ? on(context, nowMs) : answer(flag, false, "ERROR", "TARGETING_KEY_MISSING");
    }
    const bucket = bucketOf(key);
    if (bucket < limit) return on(context, nowMs, bucket);
    return answerBy(flag, false, OFF, "SPLIT", bucket);
  };
}
