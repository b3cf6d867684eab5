import type { BreakerConfig } from "../config.ts";
import { type Call, isBad, isSeenByEnough, NOTHING, type Reporter, seenBy, type Tally } from "./call.ts";
import { addToCount, type CountWindow } from "./count-window.ts";
import { reaches } from "./rate.ts";
import { refit } from "./refit.ts";
import { addToTime, forget, PARTS, type TimeWindow } from "./time-window.ts";

// Decides from the outcomes of its calls when a closed breaker trips. All functions are pure.

/** What a closed breaker remembers of its calls. */
export interface Evidence {
  /** Failures since the last success. */
  readonly failures: number;
  /** The clients that saw them, if more than one client is needed to trip. */
  readonly reporters?: readonly Reporter[] | undefined;
  /** The window that rates are computed from, if a rate is configured. */
  readonly window?: CountWindow | TimeWindow | undefined;
}

export const NO_EVIDENCE: Evidence = { failures: 0 };

/** The evidence after `times` more of `call`. Returns the same object if nothing changes. */
export function addCall(evidence: Evidence, call: Call, times: number, config: BreakerConfig, now: number): Evidence {
  const before = evidence.window;
  const window = hasRates(config) ? addToWindow(before, call, times, config, now) : undefined;
  if (!call.failed && evidence.failures === 0 && window === before) return evidence;
  const failures = call.failed ? evidence.failures + times : 0;
  const distinguishesClients = call.failed && config.minReporters > 1;
  const reporters = distinguishesClients
    ? seenBy(evidence.reporters ?? [], call.clientId, failures, config)
    : undefined;
  return { failures, reporters, window };
}

/** Whether a rate can open the breaker. */
export const hasRates = ({ failureRate, slowCallRate }: BreakerConfig): boolean =>
  failureRate !== null || slowCallRate !== null;

function addToWindow(
  window: Evidence["window"],
  call: Call,
  times: number,
  config: BreakerConfig,
  now: number,
): CountWindow | TimeWindow {
  const fitting = refit(window, config, now);
  return fitting.kind === "COUNT"
    ? addToCount(fitting, call, times, config)
    : addToTime(fitting, call, times, config, now);
}

/**
 * Whether any of the policies opens the breaker. `call` is the last one that was added. A success can open the breaker, too,
 * because it may complete the least number of calls, or push older successes out of the window.
 */
export function trips(evidence: Evidence, call: Call, config: BreakerConfig): boolean {
  return tripsInARow(evidence, call, config) || (isReached(evidence, config) && isSeen(evidence, call, config));
}

function tripsInARow({ failures, reporters = [] }: Evidence, call: Call, config: BreakerConfig): boolean {
  return call.failed && failures >= config.failureThreshold && isSeenByEnough(reporters, call, 0, config);
}

/** Whether a rate is reached, no matter which clients saw it. */
function isReached({ window }: Evidence, config: BreakerConfig): boolean {
  if (window === undefined) return false;
  const { calls, failures, slow } = window.kind === "COUNT" ? window.tally : window;
  if (calls < minimumOf(config)) return false;
  const { failureRate, slowCallRate } = config;
  return (
    (failureRate !== null && reaches(failures, calls, failureRate)) ||
    (slowCallRate !== null && reaches(slow, calls, slowCallRate))
  );
}

/** A count window never holds more calls than its size. */
const minimumOf = ({ minimumCalls, windowCalls, windowMs }: BreakerConfig): number =>
  windowMs === 0 ? Math.min(minimumCalls, windowCalls) : minimumCalls;

/** Whether enough clients saw a reason to open within the window. Calls of one client may push those of others out of it. */
function isSeen({ window }: Evidence, call: Call, config: BreakerConfig): boolean {
  if (window === undefined) return false;
  const after = window.kind === "COUNT" ? window.position - config.windowCalls : window.index - PARTS;
  return isSeenByEnough(window.reporters, call, after, config);
}

/** After how many of `times` consecutive equal calls the breaker trips. Undefined if all of them do not trip it. */
export function callsToTrip(
  evidence: Evidence,
  call: Call,
  times: number,
  config: BreakerConfig,
  now: number,
): number | undefined {
  const after = (count: number): Evidence => addCall(evidence, call, count, config, now);
  const inARow = call.failed ? fewest(times, (count) => tripsInARow(after(count), call, config)) : undefined;
  const most = inARow === undefined ? times : inARow - 1;
  const byRate = hasRates(config) ? callsToRate(evidence, call, most, config, now) : undefined;
  // All of these calls are of one client. So if too few clients have seen the reason by then, later calls change nothing.
  return byRate !== undefined && isSeen(after(byRate), call, config) ? byRate : inARow;
}

/** After how many equal calls, at most `most`, a rate is reached. */
function callsToRate(
  evidence: Evidence,
  call: Call,
  most: number,
  config: BreakerConfig,
  now: number,
): number | undefined {
  const after = (count: number): Evidence => addCall(evidence, call, count, config, now);
  // If these calls raise a share, it stays reached once it is reached. If they lower it, it can be reached only at the first
  // call, or when the window has enough calls.
  const enough = minimumOf(config) - tallyOf(evidence, config, now).calls;
  const raised = isBad(call, config) ? fewest(most, (count) => isRaised(after(count), call, config)) : undefined;
  const counts = [1, enough, raised ?? 1].filter((count) => count >= 1 && count <= most);
  return counts.sort((a, b) => a - b).find((count) => isReached(after(count), config));
}

/** Whether a rate is reached that such a call raises. More of these calls keep it reached. */
function isRaised(evidence: Evidence, { failed, slow }: Call, config: BreakerConfig): boolean {
  return isReached(evidence, {
    ...config,
    failureRate: failed ? config.failureRate : null,
    slowCallRate: slow ? config.slowCallRate : null,
  });
}

/**
 * Finds the least count, up to `most`, for which `holds` returns true. Undefined if it returns false for `most`. If `holds`
 * returns true for a count, it must return true for all greater counts.
 */
function fewest(most: number, holds: (count: number) => boolean): number | undefined {
  if (most < 1 || !holds(most)) return undefined;
  let [few, enough] = [0, most];
  while (enough - few > 1) {
    const middle = Math.floor((few + enough) / 2);
    if (holds(middle)) enough = middle;
    else few = middle;
  }
  return enough;
}

/**
 * How many more successes that are not slow certainly do not open the breaker, if the window forgets no call for its age. Each of
 * them lowers the rates. So a rate can be reached only by the next one, or by the one that completes the least number of calls.
 */
export function safeSuccesses({ window }: Evidence, config: BreakerConfig): number {
  if (window === undefined || !hasRates(config)) return Number.POSITIVE_INFINITY;
  const { calls, failures, slow } = window.kind === "COUNT" ? window.tally : window;
  const needed = Math.max(1, minimumOf(config) - calls);
  const all = window.kind === "COUNT" ? Math.min(calls + needed, config.windowCalls) : calls + needed;
  const { failureRate, slowCallRate } = config;
  const isReached =
    (failureRate !== null && reaches(failures, all, failureRate)) ||
    (slowCallRate !== null && reaches(slow, all, slowCallRate));
  return isReached ? needed - 1 : Number.POSITIVE_INFINITY;
}

/** The counts of the window as it is now. */
export function tallyOf({ window: kept }: Evidence, config: BreakerConfig, now: number): Tally {
  if (kept === undefined) return NOTHING;
  const window = refit(kept, config, now);
  if (window.kind === "COUNT") return window.tally;
  const { calls, failures, slow } = forget(window, now);
  return { calls, failures, slow };
}
