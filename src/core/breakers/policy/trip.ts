import type { BreakerConfig } from "../breaker.ts";
import { type Call, isSeenByEnough, NOTHING, type Reporter, seenBy, type Tally } from "./call.ts";
import { addToCount, type CountWindow, EMPTY_COUNT } from "./count-window.ts";
import { addToTime, emptyTime, forget, PARTS, type TimeWindow } from "./time-window.ts";

// When a closed breaker trips: a pure fold over the outcomes of its calls.

/** What is kept of the calls. */
export interface Evidence {
  /** Failures since the last success. */
  readonly failures: number;
  /** Who saw those; only where it takes more than one. */
  readonly reporters?: readonly Reporter[] | undefined;
  /** For the rates; only where one is configured. */
  readonly window?: CountWindow | TimeWindow | undefined;
}

export const NO_EVIDENCE: Evidence = { failures: 0 };

/** What is kept after `times` more of `call`; `evidence` itself where they change nothing. */
export function addCall(evidence: Evidence, call: Call, times: number, config: BreakerConfig, now: number): Evidence {
  const before = evidence.window;
  const hasRates = config.failureRate !== null || config.slowCallRate !== null;
  const window = hasRates ? addToWindow(before, call, times, config, now) : undefined;
  if (!call.failed && evidence.failures === 0 && window === before) return evidence;
  const failures = call.failed ? evidence.failures + times : 0;
  const tellsClients = call.failed && config.minReporters > 1;
  const reporters = tellsClients ? seenBy(evidence.reporters ?? [], call.clientId, failures, config) : undefined;
  return { failures, reporters, window };
}

function addToWindow(
  window: Evidence["window"],
  call: Call,
  times: number,
  config: BreakerConfig,
  now: number,
): CountWindow | TimeWindow {
  const { windowMs } = config;
  if (windowMs === 0) return addToCount(window?.kind === "COUNT" ? window : EMPTY_COUNT, call, times, config);
  const fits = window?.kind === "TIME" && window.windowMs === windowMs;
  return addToTime(fits ? window : emptyTime(windowMs), call, times, config, now);
}

/**
 * Whether to open: any policy suffices. `call` is the last that was added. Only a call that itself speaks for it opens: a
 * failure, or a slow call for the rate of those; so more equal calls never speak against what fewer spoke for.
 */
export function trips(evidence: Evidence, call: Call, config: BreakerConfig): boolean {
  const { failures, reporters = [], window } = evidence;
  if (call.failed && failures >= config.failureThreshold && isSeenByEnough(reporters, call, 0, config)) return true;
  if (window === undefined) return false;
  const { calls, failures: failed, slow } = window.kind === "COUNT" ? window.tally : window;
  // A count window never holds more than its calls.
  const minimum = window.kind === "COUNT" ? Math.min(config.minimumCalls, config.windowCalls) : config.minimumCalls;
  if (calls < minimum) return false;
  const { failureRate, slowCallRate } = config;
  const tooMany =
    (failureRate !== null && call.failed && failed >= failureRate * calls) ||
    (slowCallRate !== null && call.slow && slow >= slowCallRate * calls);
  if (!tooMany) return false;
  const after = window.kind === "COUNT" ? window.position - config.windowCalls : window.index - PARTS;
  return isSeenByEnough(window.reporters, call, after, config);
}

/** Of `times` equal calls that trip together, how many it takes. */
export function callsToTrip(evidence: Evidence, call: Call, times: number, config: BreakerConfig, now: number): number {
  let [few, enough] = [0, times];
  while (enough - few > 1) {
    const middle = Math.floor((few + enough) / 2);
    if (trips(addCall(evidence, call, middle, config, now), call, config)) enough = middle;
    else few = middle;
  }
  return enough;
}

/** What the window holds now. */
export function tallyOf({ window }: Evidence, now: number): Tally {
  if (window === undefined) return NOTHING;
  if (window.kind === "COUNT") return window.tally;
  const { calls, failures, slow } = forget(window, now);
  return { calls, failures, slow };
}
