import { BUCKETS, prefixedMurmur3, scaleToBucket, VARIANT_SEED } from "../../../kernel/flags/bucket.ts";
import { closureOf } from "../../../kernel/flags/closure.ts";
import { freshBudget, type SharedBudget } from "../../../kernel/flags/condition/shared.ts";
import { type CompiledFlag, MAX_CLOSURE } from "../../../kernel/flags/evaluate.ts";
import type { Evaluation, EvaluationContext } from "../../../kernel/flags/evaluation.ts";
import { bucketingKey } from "../../../kernel/flags/key.ts";
import { listableFields, listedBy } from "../../../kernel/flags/listing.ts";
import { shareAt, thousandths } from "../../../kernel/flags/share.ts";
import { variantLimits } from "../../../kernel/flags/variants.ts";
import { messageOf } from "../../errors/error.ts";
import type { Flag } from "../record.ts";
import type { FlagSnapshot } from "./snapshot.ts";

/** The steps of an evaluation, in order. */
export type ExplainedStep = "KILL" | "ENABLED" | "PREREQUISITES" | "CONDITION" | "STRATEGY" | "VARIANT";

/** One step of an evaluation, for people. */
export interface Explained {
  readonly step: ExplainedStep;
  /** The part of the flag that was examined. */
  readonly lookedAt: string;
  readonly outcome: string;
  /** Whether the flag is off because of this step. Then no other step follows. */
  readonly stopped: boolean;
}

/** The answer of a flag, and why it is so. */
export interface Explanation {
  readonly evaluation: Evaluation;
  readonly steps: readonly Explained[];
  /** The revision of the evaluated flags. */
  readonly revision: number;
  /** The time of the evaluation: wall time in ms. */
  readonly nowMs: number;
}

/** Evaluates a flag, and explains the answer step by step. */
export function explain(
  snapshot: FlagSnapshot,
  flag: Flag,
  compiled: CompiledFlag,
  context: EvaluationContext,
): Explanation {
  const { revision, nowMs } = snapshot;
  const steps: Explained[] = [];
  for (const step of stepsOf(snapshot, flag, context)) {
    steps.push(step);
    if (step.stopped) break;
  }
  return { evaluation: compiled.evaluate(context, nowMs), steps, revision, nowMs };
}

function* stepsOf(snapshot: FlagSnapshot, flag: Flag, context: EvaluationContext): Generator<Explained> {
  const { enabled, killed = false, variants } = flag.record;
  const shared = freshBudget();
  yield step("KILL", `killed: ${killed}`, killed ? "off for everyone; must not be cached" : "not killed", killed);
  yield step("ENABLED", `enabled: ${enabled}`, enabled ? "enabled" : "off for everyone", !enabled);
  yield* prerequisiteSteps(snapshot, flag, context, shared);
  if (flag.record.condition !== undefined) yield conditionStep(snapshot, flag, flag.record.condition, context, shared);
  yield strategyStep(flag, context, snapshot.nowMs);
  if (variants !== undefined) yield variantStep(flag, variants, context);
}

function step(name: ExplainedStep, lookedAt: string, outcome: string, stopped: boolean): Explained {
  return { step: name, lookedAt, outcome, stopped };
}

/** A step for each prerequisite, direct or indirect, in the order of evaluation. */
function* prerequisiteSteps(
  snapshot: FlagSnapshot,
  { name, record }: Flag,
  context: EvaluationContext,
  shared: SharedBudget,
): Generator<Explained> {
  const closure = closureOf(name, (each) => snapshot.find(each)?.record.prerequisites);
  const missing = [...closure].filter((each) => snapshot.find(each) === undefined);
  const all = `prerequisites ${(record.prerequisites ?? []).join(", ")}, and theirs`;
  if (closure.size > MAX_CLOSURE) {
    yield step("PREREQUISITES", all, `more than ${MAX_CLOSURE}: off, TOO_MANY_PREREQUISITES`, true);
  } else if (missing.length > 0) {
    yield step("PREREQUISITES", all, `${missing.join(", ")} not there: off, PREREQUISITE_MISSING`, true);
  }
  const neededBy = new Map<string, string>();
  for (const each of [name, ...closure]) {
    for (const needed of snapshot.find(each)?.record.prerequisites ?? []) {
      if (!neededBy.has(needed)) neededBy.set(needed, each === name ? "" : ` of ${each}`);
    }
  }
  for (const each of closure) {
    const answer = snapshot.own(each)?.alone(context, snapshot.nowMs, shared);
    if (answer === undefined) continue;
    const lookedAt = `prerequisite ${each}${neededBy.get(each)} at revision ${answer.revision}`;
    if (shared.exceeded !== undefined) {
      const problem = `its condition cannot be evaluated: ${shared.exceeded}`;
      yield step("PREREQUISITES", lookedAt, `${problem}: off, CONDITION_FAILED`, true);
    }
    const why = answer.errorCode === undefined ? answer.reason : `${answer.reason}, ${answer.errorCode}`;
    yield step("PREREQUISITES", lookedAt, `${answer.enabled ? "on" : "off"} (${why})`, !answer.enabled);
  }
}

function conditionStep(
  snapshot: FlagSnapshot,
  { name }: Flag,
  source: string,
  context: EvaluationContext,
  shared: SharedBudget,
): Explained {
  const failed = (problem: string): Explained => step("CONDITION", source, `${problem}: off, CONDITION_FAILED`, true);
  const condition = snapshot.condition(name);
  if (condition === undefined) return failed("conditions cannot be evaluated here");
  try {
    const holds = condition(context, shared);
    return step("CONDITION", source, holds ? "holds" : "does not hold", !holds);
  } catch (error) {
    return failed(messageOf(error));
  }
}

function strategyStep({ record }: Flag, context: EvaluationContext, nowMs: number): Explained {
  const { strategy, whitelist, whitelistFirst, bucketBy, salt } = record;
  if (strategy === "ALL_ON" || strategy === "ALL_OFF") {
    const isOff = strategy === "ALL_OFF";
    return step("STRATEGY", strategy, isOff ? "off for everyone" : "on for everyone", isOff);
  }
  if (strategy === "WHITELIST" || whitelistFirst) {
    const found = listedBy(whitelist, context);
    const given = listableFields(context).map(quoted).join(", ") || "an empty context";
    const lookedAt = `${strategy === "WHITELIST" ? strategy : "whitelist first,"} of ${whitelist.length}, for ${given}`;
    if (found !== undefined)
      return step("STRATEGY", lookedAt, `${quoted([found.field, found.entry])} is listed`, false);
    if (strategy === "WHITELIST") return step("STRATEGY", lookedAt, "not listed", true);
  }
  const share = shareAt(record, nowMs) ?? 0;
  const limit = thousandths(share);
  const key = bucketingKey(bucketBy, context);
  const first = whitelistFirst ? `not on the whitelist of ${whitelist.length}, which comes first; ` : "";
  const shareText = `${first}${strategy} at ${share} % (${scheduleText(record, nowMs)})`;
  if (key === undefined || key === "") {
    const lookedAt = `${shareText}; the context has no ${bucketBy.toLowerCase()}`;
    if (limit === 0) return step("STRATEGY", lookedAt, "off at 0 %, whatever the key", true);
    if (limit === BUCKETS) return step("STRATEGY", lookedAt, "on at 100 %, whatever the key", false);
    return step("STRATEGY", lookedAt, "no key to choose a bucket by: off, TARGETING_KEY_MISSING", true);
  }
  const { bucket, text } = hashed(salt, key, 0);
  const isOn = bucket < limit;
  const outcome = `bucket ${bucket} is ${isOn ? "" : "not "}below ${limit}: ${isOn ? "on" : "off"}`;
  return step("STRATEGY", `${shareText}; ${text}`, outcome, !isOn);
}

function scheduleText({ strategy, gradual }: Flag["record"], nowMs: number): string {
  if (strategy !== "GRADUAL" || gradual === undefined) return "fixed";
  const { startTime, endTime, pausedAt } = gradual;
  if (startTime === undefined || endTime === undefined) return "without times";
  if (pausedAt !== undefined) return `paused at ${timeText(pausedAt)}`;
  if (nowMs <= startTime) return `starts at ${timeText(startTime)}`;
  return nowMs >= endTime ? `arrived at ${timeText(endTime)}` : `running until ${timeText(endTime)}`;
}

function variantStep(
  { record }: Flag,
  variants: NonNullable<Flag["record"]["variants"]>,
  context: EvaluationContext,
): Explained {
  const { bucketBy, salt } = record;
  const weighty = variants.filter(({ weight }) => weight > 0);
  const weights = variants.map(({ name, weight }) => `${name} ${weight}`).join(", ");
  const [only] = weighty;
  if (weighty.length === 1 && only) return step("VARIANT", `variants ${weights}`, `${only.name}, the only one`, false);
  const key = bucketingKey(bucketBy, context);
  if (key === undefined || key === "") {
    const lookedAt = `variants ${weights}; the context has no ${bucketBy.toLowerCase()}`;
    return step("VARIANT", lookedAt, "no key to choose a variant by: off, TARGETING_KEY_MISSING", true);
  }
  const { bucket, text } = hashed(salt, key, VARIANT_SEED);
  const limits = variantLimits(weighty);
  const at = limits.findIndex((limit) => bucket < limit);
  const outcome = `bucket ${bucket} is from ${limits[at - 1] ?? 0} to below ${limits[at]}: ${weighty[at]?.name}`;
  return step("VARIANT", `variants ${weights}; ${text}`, outcome, false);
}

function hashed(salt: string, key: string, seed: number): { readonly bucket: number; readonly text: string } {
  const hash = prefixedMurmur3(`${salt}:`, seed)(key);
  const bucket = scaleToBucket(hash);
  const input = JSON.stringify(`${salt}:${key}`);
  return { bucket, text: `murmur3 of ${input}, seed ${seed}, is ${hash}: bucket ${bucket} of ${BUCKETS}` };
}

function quoted([field, text]: readonly [string, string]): string {
  return `${field} ${JSON.stringify(text)}`;
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
