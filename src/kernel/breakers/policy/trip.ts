import type { BreakerConfig } from "../config.ts";
import { type Call, isBad, isSeenByEnough, NOTHING, type Reporter, seenBy, type Tally } from "./call.ts";
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
  const window = hasRates(config) ? addToWindow(before, call, times, config, now) : undefined;
  if (!call.failed && evidence.failures === 0 && window === before) return evidence;
  const failures = call.failed ? evidence.failures + times : 0;
  const tellsClients = call.failed && config.minReporters > 1;
  const reporters = tellsClients ? seenBy(evidence.reporters ?? [], call.clientId, failures, config) : undefined;
  return { failures, reporters, window };
}

const hasRates = ({ failureRate, slowCallRate }: BreakerConfig): boolean =>
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
 * Whether to open: any policy suffices. `call` is the last that was added. A success opens too, where a rate is reached by
 * it: with it there are as many calls as it takes, or it finds older successes gone from the window.
 */
export function trips(evidence: Evidence, call: Call, config: BreakerConfig): boolean {
  return tripsInARow(evidence, call, config) || (isReached(evidence, config) && isSeen(evidence, call, config));
}

function tripsInARow({ failures, reporters = [] }: Evidence, call: Call, config: BreakerConfig): boolean {
  return call.failed && failures >= config.failureThreshold && isSeenByEnough(reporters, call, 0, config);
}

/** Whether a rate is reached, whoever saw it. */
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

/** A count window never holds more than its calls. */
const minimumOf = ({ minimumCalls, windowCalls, windowMs }: BreakerConfig): number =>
  windowMs === 0 ? Math.min(minimumCalls, windowCalls) : minimumCalls;

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
  const after = (count: number): Evidence => addCall(evidence, call, count, config, now);
  const inARow = call.failed ? fewest(times, (count) => tripsInARow(after(count), call, config)) : undefined;
  const most = inARow === undefined ? times : inARow - 1;
  const byRate = hasRates(config) ? callsToRate(evidence, call, most, config, now) : undefined;
  // What was not seen by enough then is not afterwards: only this client's calls come.
  return byRate !== undefined && isSeen(after(byRate), call, config) ? byRate : inARow;
}

/** Of at most so many equal calls, how many it takes until a rate is reached. */
function callsToRate(
  evidence: Evidence,
  call: Call,
  most: number,
  config: BreakerConfig,
  now: number,
): number | undefined {
  const after = (count: number): Evidence => addCall(evidence, call, count, config, now);
  // A share that these calls raise goes on to be reached once it is. One that they lower is reached, if ever, as soon as
  // there are enough calls.
  const enough = minimumOf(config) - tallyOf(evidence, config, now).calls;
  const raised = isBad(call, config) ? fewest(most, (count) => isRaised(after(count), call, config)) : undefined;
  const counts = [1, enough, raised ?? 1].filter((count) => count >= 1 && count <= most);
  return counts.sort((a, b) => a - b).find((count) => isReached(after(count), config));
}

/** Whether a rate is reached that such a call raises. More equal calls never speak against what fewer spoke for. */
function isRaised(evidence: Evidence, { failed, slow }: Call, config: BreakerConfig): boolean {
  return isReached(evidence, {
    ...config,
    failureRate: failed ? config.failureRate : null,
    slowCallRate: slow ? config.slowCallRate : null,
  });
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
