import { HeliosError } from "../errors.ts";
import type { BreakerConfig } from "./breaker.ts";
import { DEFAULT_CONFIG } from "./policy/defaults.ts";

/** What a caller may say; what is absent has its default. */
export type BreakerConfigFields = { readonly [Key in keyof BreakerConfig]?: BreakerConfig[Key] | undefined };

type Rule = (value: number) => string | undefined;

const whole =
  (max: number): Rule =>
  (value) =>
    Number.isInteger(value) && value >= 1 && value <= max ? undefined : `a whole number from 1 to ${max}`;
const DAY_MS = 86_400_000;
const duration: Rule = (ms) => (ms >= 1 && ms <= DAY_MS ? undefined : `from 1 ms to ${DAY_MS / 1000} s`);
const durationOrNone: Rule = (ms) => (ms === 0 ? undefined : duration(ms) && `0, or ${duration(ms)}`);
const rate: Rule = (value) => (value > 0 && value <= 1 ? undefined : "above 0 and at most 1");
const share: Rule = (value) => (value >= 0 && value <= 1 ? undefined : "from 0 to 1");
const factor: Rule = (value) => (value >= 1 && value <= 100 ? undefined : "from 1 to 100");

/** The field's name in the contract, and what its values are. */
const FIELDS: Readonly<Record<keyof BreakerConfig, readonly [string, Rule]>> = {
  failureThreshold: ["failure_threshold", whole(1_000_000)],
  timeoutMs: ["timeout", duration],
  successThreshold: ["success_threshold", whole(1_000_000)],
  probeConcurrency: ["probe_concurrency", whole(1000)],
  probeTimeoutMs: ["probe_timeout", duration],
  failureRate: ["failure_rate", rate],
  slowCallRate: ["slow_call_rate", rate],
  slowCallDurationMs: ["slow_call_duration", duration],
  windowCalls: ["window_calls", whole(10_000)],
  windowMs: ["window_duration", durationOrNone],
  minimumCalls: ["minimum_calls", whole(1_000_000)],
  timeoutMultiplier: ["timeout_multiplier", factor],
  maxTimeoutMs: ["max_timeout", duration],
  jitter: ["jitter", share],
  probeFailureRate: ["probe_failure_rate", share],
  minReporters: ["min_reporters", whole(100)],
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
