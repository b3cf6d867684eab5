import type { BreakerConfig } from "../../kernel/breakers/config.ts";
import { DEFAULT_CONFIG } from "../../kernel/breakers/policy/defaults.ts";
import { HeliosError } from "../errors/error.ts";

/** What a caller may say; what is absent has its default. */
export type BreakerConfigFields = { readonly [Key in keyof BreakerConfig]?: BreakerConfig[Key] | undefined };

type Rule = (value: number) => string | undefined;

const whole =
  (max: number): Rule =>
  (value) =>
    Number.isInteger(value) && value >= 1 && value <= max ? undefined : `a whole number from 1 to ${max}`;
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
const duration: Rule = (ms) => (ms >= 1 && ms <= MAX_SPAN_MS ? undefined : `from 1 ms to ${MAX_SPAN_MS / 1000} s`);
const durationOrNone: Rule = (ms) => (ms === 0 ? undefined : duration(ms) && `0, or ${duration(ms)}`);
const rate: Rule = (value) => (value > 0 && value <= 1 ? undefined : "above 0 and at most 1");
const share: Rule = (value) => (value >= 0 && value <= 1 ? undefined : "from 0 to 1");
const factor: Rule = (value) => (value >= 1 && value <= MAX_FACTOR ? undefined : `from 1 to ${MAX_FACTOR}`);

/** The field's name in the contract, and what its values are. */
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

/** The fields by their name in the contract. */
export const CONFIG_FIELDS: Readonly<Record<string, keyof BreakerConfig>> = Object.fromEntries(
  (Object.keys(FIELDS) as (keyof BreakerConfig)[]).map((key) => [FIELDS[key][0], key]),
);

/** `base` with `fields` set, checked and frozen. ARGUMENT_INVALID names the field and the value. */
export function completeConfig(fields: BreakerConfigFields = {}, base: BreakerConfig = DEFAULT_CONFIG): BreakerConfig {
  const complete: Record<string, number | null> = { ...base };
  for (const [key, [name, rule]] of Object.entries(FIELDS)) {
    const value = fields[key as keyof BreakerConfig];
    if (value === undefined) continue;
    const mayBeNull = DEFAULT_CONFIG[key as keyof BreakerConfig] === null;
    const expected = value === null && mayBeNull ? undefined : rule(typeof value === "number" ? value : Number.NaN);
    if (expected !== undefined) {
      throw HeliosError.of("ARGUMENT_INVALID", { field: name, problem: `must be ${expected}, not ${String(value)}` });
    }
    complete[key] = value;
  }
  return Object.freeze(complete as unknown as BreakerConfig);
}

/** Whether two configurations say the same. */
export function sameConfig(a: BreakerConfig, b: BreakerConfig): boolean {
  return (Object.keys(FIELDS) as (keyof BreakerConfig)[]).every((key) => a[key] === b[key]);
}
