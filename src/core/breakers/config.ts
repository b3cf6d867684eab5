import { HeliosError } from "../errors.ts";
import type { BreakerConfig } from "./breaker.ts";

/** What a breaker is where nothing is said; the mission's defaults. */
export const DEFAULT_CONFIG: BreakerConfig = Object.freeze({
  failureThreshold: 5,
  timeoutMs: 60_000,
  successThreshold: 2,
  probeConcurrency: 1,
  probeTimeoutMs: 30_000,
});

/** What a caller may say; what is absent has its default. */
export type BreakerConfigFields = { readonly [Key in keyof BreakerConfig]?: BreakerConfig[Key] | undefined };

/** The field's name in the contract, whether it counts, and its greatest value. */
const FIELDS: Readonly<Record<keyof BreakerConfig, { name: string; whole: boolean; max: number }>> = {
  failureThreshold: { name: "failure_threshold", whole: true, max: 1_000_000 },
  timeoutMs: { name: "timeout", whole: false, max: 86_400_000 },
  successThreshold: { name: "success_threshold", whole: true, max: 1_000_000 },
  probeConcurrency: { name: "probe_concurrency", whole: true, max: 1000 },
  probeTimeoutMs: { name: "probe_timeout", whole: false, max: 86_400_000 },
};

/** `base` with `fields` set, checked and frozen. ARGUMENT_INVALID names the field and the value. */
export function completeConfig(fields: BreakerConfigFields = {}, base: BreakerConfig = DEFAULT_CONFIG): BreakerConfig {
  const complete = { ...base };
  for (const key of Object.keys(FIELDS) as (keyof BreakerConfig)[]) {
    const value = fields[key];
    if (value === undefined) continue;
    check(key, value);
    complete[key] = value;
  }
  return Object.freeze(complete);
}

/** Whether two configurations say the same. */
export function sameConfig(a: BreakerConfig, b: BreakerConfig): boolean {
  return (Object.keys(FIELDS) as (keyof BreakerConfig)[]).every((key) => a[key] === b[key]);
}

function check(key: keyof BreakerConfig, value: unknown): void {
  const { name, whole, max } = FIELDS[key];
  const inRange = typeof value === "number" && value >= 1 && value <= max && (!whole || Number.isInteger(value));
  if (inRange) return;
  const range = whole ? `a whole number from 1 to ${max}` : `from 1 ms to ${max / 1000} s`;
  throw HeliosError.of("ARGUMENT_INVALID", { field: name, problem: `must be ${range}, not ${String(value)}` });
}
