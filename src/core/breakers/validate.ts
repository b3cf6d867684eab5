import type { BreakerConfig, BreakerConfigFields } from "../../kernel/breakers/config.ts";
import type { Outcome } from "../../kernel/breakers/machine.ts";
import { DEFAULT_CONFIG } from "../../kernel/breakers/policy/defaults.ts";
import type { Hold, OverrideKind } from "../../kernel/breakers/policy/holds.ts";
import { checkSpan } from "../errors/check-span.ts";
import { invalid } from "../errors/invalid.ts";
import { checkReporter } from "../report-log.ts";
import type { OutcomeReport } from "./clients/reports.ts";
import { RECORDED_MS } from "./simulation/recording.ts";

/** A person's decision about a breaker. */
export interface OverrideRequest {
  readonly kind: OverrideKind;
  /**
   * The holder's name for the hold, at most 128 characters. A hold replaces an earlier one of the same id. Default `manual`.
   */
  readonly holdId?: string | undefined;
  /** The hold expires after this time, from 1 ms to 365 days. Absent: it stays until it is released. */
  readonly ttlMs?: number | undefined;
}

/**
 * Longest duration in a breaker's configuration, such as `timeout` or `window_duration`; the shortest is 1 ms. Others
 * are refused with `ARGUMENT_INVALID`. @limit ms
 */
const MAX_SPAN_MS = 86_400_000;
/**
 * Largest `failure_threshold`, `success_threshold` and `minimum_calls` of a breaker; a larger one is refused with
 * `ARGUMENT_INVALID`. @limit calls
 */
const MAX_CALLS = 1_000_000;
/** Largest `probe_concurrency` of a breaker; a larger one is refused with `ARGUMENT_INVALID`. @limit probes */
const MAX_PROBES = 1000;
/** Largest `window_calls` of a breaker; a larger one is refused with `ARGUMENT_INVALID`. @limit calls */
const MAX_WINDOW_CALLS = 10_000;
/** Largest `min_reporters` of a breaker; a larger one is refused with `ARGUMENT_INVALID`. @limit clients */
const MAX_REPORTERS = 100;
/** Largest `timeout_multiplier` of a breaker; a larger one is refused with `ARGUMENT_INVALID`. @limit - */
const MAX_FACTOR = 100;
/** Length of a `hold_id`; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const MAX_HOLD_ID = 128;
/** Longest `ttl` of a hold; a longer one is refused with `ARGUMENT_INVALID`. @limit ms */
const MAX_TTL_MS = 365 * 86_400_000;
/** Shortest period that `SimulateBreaker` accepts; a shorter one is refused with `ARGUMENT_INVALID`. @limit ms */
const MIN_SPAN_MS = 1000;

const KINDS: readonly OverrideKind[] = ["FORCED_OPEN", "FORCED_CLOSED", "DISABLED", "METRICS_ONLY"];

/** Says what a value should be, if it is wrong. */
type Rule = (value: number) => string | undefined;

const whole =
  (max: number): Rule =>
  (value) =>
    Number.isInteger(value) && value >= 1 && value <= max ? undefined : `a whole number from 1 to ${max}`;
const duration: Rule = (ms) => (ms >= 1 && ms <= MAX_SPAN_MS ? undefined : `from 1 ms to ${MAX_SPAN_MS / 1000} s`);
const durationOrNone: Rule = (ms) => (ms === 0 ? undefined : duration(ms) && `0, or ${duration(ms)}`);
const rate: Rule = (value) => (value > 0 && value <= 1 ? undefined : "above 0 and at most 1");
const share: Rule = (value) => (value >= 0 && value <= 1 ? undefined : "from 0 to 1");
const factor: Rule = (value) => (value >= 1 && value <= MAX_FACTOR ? undefined : `from 1 to ${MAX_FACTOR}`);

/** For each option its name in the contract, and its rule. */
const FIELDS: Readonly<Record<keyof BreakerConfig, readonly [string, Rule]>> = {
  failureThreshold: ["failure_threshold", whole(MAX_CALLS)],
  timeoutMs: ["timeout", duration],
  successThreshold: ["success_threshold", whole(MAX_CALLS)],
  probeConcurrency: ["probe_concurrency", whole(MAX_PROBES)],
  probeTimeoutMs: ["probe_timeout", duration],
  failureRate: ["failure_rate", rate],
  slowCallRate: ["slow_call_rate", rate],
  slowCallDurationMs: ["slow_call_duration", duration],
  windowCalls: ["window_calls", whole(MAX_WINDOW_CALLS)],
  windowMs: ["window_duration", durationOrNone],
  minimumCalls: ["minimum_calls", whole(MAX_CALLS)],
  timeoutMultiplier: ["timeout_multiplier", factor],
  maxTimeoutMs: ["max_timeout", duration],
  jitter: ["jitter", share],
  probeFailureRate: ["probe_failure_rate", share],
  minReporters: ["min_reporters", whole(MAX_REPORTERS)],
  warmUpMs: ["warm_up", durationOrNone],
};

/** The options by their name in the contract. */
export const CONFIG_FIELDS: Readonly<Record<string, keyof BreakerConfig>> = Object.fromEntries(
  (Object.keys(FIELDS) as (keyof BreakerConfig)[]).map((key) => [FIELDS[key][0], key]),
);

/** `base` with `fields` set, validated and frozen. ARGUMENT_INVALID names the option and its value. */
export function completeConfig(fields: BreakerConfigFields = {}, base: BreakerConfig = DEFAULT_CONFIG): BreakerConfig {
  const complete: Record<string, number | null> = { ...base };
  for (const [key, [name, rule]] of Object.entries(FIELDS)) {
    const value = fields[key as keyof BreakerConfig];
    if (value === undefined) continue;
    const mayBeNull = DEFAULT_CONFIG[key as keyof BreakerConfig] === null;
    const expected = value === null && mayBeNull ? undefined : rule(typeof value === "number" ? value : Number.NaN);
    if (expected !== undefined) throw invalid(name, `must be ${expected}, not ${String(value)}`);
    complete[key] = value;
  }
  return Object.freeze(complete as unknown as BreakerConfig);
}

/** Whether two configurations are equal. */
export function sameConfig(a: BreakerConfig, b: BreakerConfig): boolean {
  return (Object.keys(FIELDS) as (keyof BreakerConfig)[]).every((key) => a[key] === b[key]);
}

/** Returns the id of a hold; an absent or empty one becomes `manual`. Throws ARGUMENT_INVALID if it is not valid. */
export function checkHoldId(holdId = ""): string {
  if (typeof holdId === "string" && holdId.length <= MAX_HOLD_ID) return holdId === "" ? "manual" : holdId;
  throw invalid("hold_id", `must be a text of at most ${MAX_HOLD_ID} characters`);
}

export function checkOverride({ kind, holdId, ttlMs }: OverrideRequest): Pick<Hold, "id" | "kind" | "ttlMs"> {
  if (!KINDS.includes(kind)) throw invalid("override", `must be one of ${KINDS.join(", ")}, not ${String(kind)}`);
  const hold = { id: checkHoldId(holdId), kind };
  if (ttlMs === undefined) return hold;
  checkSpan("ttl", ttlMs, { least: 1, most: MAX_TTL_MS });
  return { ...hold, ttlMs };
}

/** How far back a simulation goes. */
export function checkSimulated(spanMs = RECORDED_MS): number {
  return checkSpan("span", spanMs, { least: MIN_SPAN_MS, most: RECORDED_MS });
}

/** ARGUMENT_INVALID for a report that no client of this contract sends. */
export function checkReports(clientId: string, seq: number | bigint, reports: readonly OutcomeReport[]): void {
  checkReporter(clientId, seq);
  for (const [at, { epoch, leaseId, runs }] of reports.entries()) {
    const field = `reports[${at}]`;
    if (!Number.isSafeInteger(epoch)) throw invalid(`${field}.epoch`, `must be a whole number, not ${epoch}`);
    for (const [run, { outcome, count }] of runs.entries()) {
      checkOutcome(outcome, `${field}.runs[${run}].outcome`);
      if (Number.isSafeInteger(count) && count >= 1) continue;
      throw invalid(`${field}.runs[${run}].count`, `must be a whole number from 1, not ${count}`);
    }
    if (leaseId === undefined || (runs.length === 1 && runs[0]?.count === 1)) continue;
    throw invalid(`${field}.runs`, "must report one outcome if there is a lease_id");
  }
}

/** ARGUMENT_INVALID for an unknown outcome. */
export function checkOutcome(outcome: Outcome, field = "outcome"): void {
  if (outcome === "SUCCESS" || outcome === "FAILURE" || outcome === "IGNORED") return;
  throw invalid(field, `must be SUCCESS, FAILURE or IGNORED, not ${String(outcome)}`);
}
