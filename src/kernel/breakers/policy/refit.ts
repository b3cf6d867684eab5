import type { BreakerConfig } from "../config.ts";
import type { Reporter } from "./call.ts";
import { addRun, type CountWindow, EMPTY_COUNT, outcomesOf, shrink } from "./count-window.ts";
import { addPart, emptyTime, forget, indexAt, PARTS, partsOf, type TimeWindow } from "./time-window.ts";

/**
 * Converts a window to the form that the configuration asks for, and keeps its outcomes. Returns the same window if it has
 * that form. If not all calls fit, the oldest are dropped.
 *
 * A window of calls becomes a window of time in which all calls happened now, because their times are not known. A window of
 * time becomes a window of calls in which the successes of each part come before its failures, because their order is not
 * known.
 */
export function refit(
  window: CountWindow | TimeWindow | undefined,
  config: BreakerConfig,
  now: number,
): CountWindow | TimeWindow {
  const { windowMs, windowCalls } = config;
  if (windowMs === 0) {
    if (window === undefined) return EMPTY_COUNT;
    if (window.kind === "TIME") return toCount(window, config, now);
    return window.tally.calls > windowCalls ? shrink(window, windowCalls) : window;
  }
  if (window === undefined) return emptyTime(windowMs);
  if (window.kind === "COUNT") return toTime(window, windowMs, now);
  return window.windowMs === windowMs ? window : rescaled(window, windowMs, now);
}

const seenAt = (reporters: readonly Reporter[], at: number): readonly Reporter[] =>
  reporters.map(({ clientId }) => ({ clientId, at }));

function toTime({ tally, reporters }: CountWindow, windowMs: number, now: number): TimeWindow {
  const index = indexAt(now, windowMs);
  return { ...addPart(emptyTime(windowMs), index, tally), reporters: seenAt(reporters, index) };
}

function rescaled(window: TimeWindow, windowMs: number, now: number): TimeWindow {
  const current = forget(window, now);
  // A part counts as old as its oldest call may be, so that no call stays for too long.
  const at = (index: number): number => Math.max(0, indexAt((index * window.windowMs) / PARTS, windowMs));
  let scaled = emptyTime(windowMs);
  const oldest = indexAt(now, windowMs) - PARTS;
  for (const { index, ...tally } of partsOf(current))
    if (at(index) > oldest) scaled = addPart(scaled, at(index), tally);
  const reporters = current.reporters.map((reporter) => ({ ...reporter, at: at(reporter.at) }));
  return forget({ ...scaled, reporters }, now);
}

function toCount(window: TimeWindow, { windowCalls }: BreakerConfig, now: number): CountWindow {
  const current = forget(window, now);
  let counted: CountWindow = EMPTY_COUNT;
  for (const part of partsOf(current))
    for (const run of outcomesOf(part)) counted = shrink(addRun(counted, run, run.count), windowCalls);
  const { position } = counted;
  const seen = current.reporters.filter(({ at }) => at > current.index - PARTS);
  return { ...counted, reporters: seenAt(seen, position) };
}
