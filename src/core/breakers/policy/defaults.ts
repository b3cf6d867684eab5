import type { BreakerConfig } from "../breaker.ts";

/** What a breaker is where nothing is said; the mission's defaults. */
export const DEFAULT_CONFIG: BreakerConfig = Object.freeze({
  failureThreshold: 5,
  timeoutMs: 60_000,
  successThreshold: 2,
  probeConcurrency: 1,
  probeTimeoutMs: 30_000,
  failureRate: null,
  slowCallRate: null,
  slowCallDurationMs: 60_000,
  windowCalls: 100,
  windowMs: 0,
  minimumCalls: 10,
  timeoutMultiplier: 1,
  maxTimeoutMs: 600_000,
  jitter: 0,
  probeFailureRate: 0,
  minReporters: 1,
  warmUpMs: 0,
});
