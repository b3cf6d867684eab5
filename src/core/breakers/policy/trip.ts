import type { BreakerConfig } from "../breaker.ts";
import { type Call, isSeenByEnough, NOTHING, type Reporter, seenBy, type Tally } from "./call.ts";
import { addToCount, type CountWindow } from "./count-window.ts";
import { reaches } from "./rate.ts";
import { refit } from "./refit.ts";
import { addToTime, forget, PARTS, type TimeWindow } from "./time-window.ts";

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
  const fitting = refit(window, config, now);
  return fitting.kind === "COUNT"
    ? addToCount(fitting, call, times, config)
    : addToTime(fitting, call, times, config, now);
}

/**
 * Whether to open: any policy suffices. `call` is the last that was added. Only a call that itself speaks for it opens: a
 * failure, or a slow call for the rate of those.
 */
export function trips(evidence: Evidence, call: Call, config: BreakerConfig): boolean {
  return tripsInARow(evidence, call, config) || (speaks(evidence, call, config) && isSeen(evidence, call, config));
}

function tripsInARow({ failures, reporters = [] }: Evidence, call: Call, config: BreakerConfig): boolean {
  return call.failed && failures >= config.failureThreshold && isSeenByEnough(reporters, call, 0, config);
}

/** Whether a rate speaks for it, whoever saw it. More equal calls never speak against what fewer spoke for. */
function speaks({ window }: Evidence, call: Call, config: BreakerConfig): boolean {
  if (window === undefined) return false;
  const { calls, failures, slow } = window.kind === "COUNT" ? window.tally : window;
  // A count window never holds more than its calls.
  const minimum = window.kind === "COUNT" ? Math.min(config.minimumCalls, config.windowCalls) : config.minimumCalls;
  if (calls < minimum) return false;
  const { failureRate, slowCallRate } = config;
  return (
    (failureRate !== null && call.failed && reaches(failures, calls, failureRate)) ||
    (slowCallRate !== null && call.slow && reaches(slow, calls, slowCallRate))
  );
}

/** Whether enough clients saw it in the window. More calls of one client may push what others saw out of it. */
function isSeen({ window }: Evidence, call: Call, config: BreakerConfig): boolean {
  if (window === undefined) return false;
  const after = window.kind === "COUNT" ? window.position - config.windowCalls : window.index - PARTS;
  return isSeenByEnough(window.reporters, call, after, config);
}

/** Of `times` equal calls, one after the other, how many it takes to trip; undefined: they do not. */
export function callsToTrip(
  evidence: Evidence,
  call: Call,
  times: number,
  config: BreakerConfig,
  now: number,
): number | undefined {
  if (!call.failed && !call.slow) return undefined;
  const after = (count: number): Evidence => addCall(evidence, call, count, config, now);
  const inARow = fewest(times, (count) => tripsInARow(after(count), call, config));
  const most = inARow === undefined ? times : inARow - 1;
  const byRate = fewest(most, (count) => speaks(after(count), call, config));
  // What was not seen by enough then is not afterwards: only this client's calls come.
  return byRate !== undefined && isSeen(after(byRate), call, config) ? byRate : inARow;
}

/** The least count up to `most` at which that holds, which goes on to hold from there; undefined: at none. */
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

/** What the window holds now. */
export function tallyOf({ window: kept }: Evidence, config: BreakerConfig, now: number): Tally {
  if (kept === undefined) return NOTHING;
  const window = refit(kept, config, now);
  if (window.kind === "COUNT") return window.tally;
  const { calls, failures, slow } = forget(window, now);
  return { calls, failures, slow };
}
