import type { BreakerConfig } from "../config.ts";

/** Time that a breaker stays open, unless `timeout` says otherwise; then it lets probes through. @limit ms */
const DEFAULT_TIMEOUT_MS = 60_000;
/** Time after which a probe without an outcome counts as failed, unless `probe_timeout` says otherwise. @limit ms */
const DEFAULT_PROBE_TIMEOUT_MS = 30_000;
/**
 * Longest time that a breaker stays open if each opening lasts longer than the one before, unless `max_timeout` says
 * otherwise. @limit ms
 */
const DEFAULT_MAX_TIMEOUT_MS = 600_000;
/**
 * Probes of a half-open breaker in progress at once, unless `probe_concurrency` says otherwise; other calls are
 * rejected. @limit probe
 */
const DEFAULT_MAX_PROBES = 1;
/** Duration from which a call counts as slow, unless `slow_call_duration` says otherwise. @limit ms */
const DEFAULT_SLOW_CALL_MS = 60_000;

/** The configuration of a breaker whose creator sets no field. */
export const DEFAULT_CONFIG: BreakerConfig = Object.freeze({
  failureThreshold: 5,
  timeoutMs: DEFAULT_TIMEOUT_MS,
  successThreshold: 2,
  probeConcurrency: DEFAULT_MAX_PROBES,
  probeTimeoutMs: DEFAULT_PROBE_TIMEOUT_MS,
  failureRate: null,
  slowCallRate: null,
  slowCallDurationMs: DEFAULT_SLOW_CALL_MS,
  windowCalls: 100,
  windowMs: 0,
  minimumCalls: 10,
  timeoutMultiplier: 1,
  maxTimeoutMs: DEFAULT_MAX_TIMEOUT_MS,
  jitter: 0,
  probeFailureRate: 0,
  minReporters: 1,
  warmUpMs: 0,
});
