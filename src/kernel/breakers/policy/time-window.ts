import type { BreakerConfig } from "../config.ts";
import { type Call, isBad, type Reporter, seenBy, type Tally } from "./call.ts";

/** The number of parts of a time window. Calls leave it part by part, up to one part early and never late. */
export const PARTS = 20;

interface Part extends Tally {
  /** The number of the part, counted from time 0 of the monotonic clock. */
  readonly index: number;
}

/** The calls of the last `windowMs`. The tally is of all parts together. */
export interface TimeWindow extends Tally {
  readonly kind: "TIME";
  readonly windowMs: number;
  /** The parts before the latest that had calls, oldest first. */
  readonly parts: readonly Part[];
  /** The latest part. Its fields stand here because each call makes a new window. */
  readonly index: number;
  readonly partCalls: number;
  readonly partFailures: number;
  readonly partSlow: number;
  readonly reporters: readonly Reporter[];
}

export const emptyTime = (windowMs: number): TimeWindow => ({
  kind: "TIME",
  windowMs,
  calls: 0,
  failures: 0,
  slow: 0,
  parts: [],
  index: 0,
  partCalls: 0,
  partFailures: 0,
  partSlow: 0,
  reporters: [],
});

/** All parts that have calls, oldest first. */
export function partsOf(window: TimeWindow): readonly Part[] {
  const { parts, index, partCalls, partFailures, partSlow } = window;
  const latest = { index, calls: partCalls, failures: partFailures, slow: partSlow };
  return partCalls === 0 ? parts : [...parts, latest];
}

/** The window with these calls in its latest part, or in a new one after that. */
export function addPart(window: TimeWindow, index: number, { calls, failures, slow }: Tally): TimeWindow {
  const isLatest = index === window.index;
  return {
    ...window,
    calls: window.calls + calls,
    failures: window.failures + failures,
    slow: window.slow + slow,
    parts: isLatest ? window.parts : partsOf(window),
    index,
    partCalls: (isLatest ? window.partCalls : 0) + calls,
    partFailures: (isLatest ? window.partFailures : 0) + failures,
    partSlow: (isLatest ? window.partSlow : 0) + slow,
  };
}

/** The window after `times` more of `call`. */
export function addToTime(
  window: TimeWindow,
  call: Call,
  times: number,
  config: BreakerConfig,
  now: number,
): TimeWindow {
  const current = forget(window, now);
  const { index, reporters } = current;
  const failures = call.failed ? times : 0;
  const slow = call.slow ? times : 0;
  return {
    kind: "TIME",
    windowMs: current.windowMs,
    calls: current.calls + times,
    failures: current.failures + failures,
    slow: current.slow + slow,
    parts: current.parts,
    index,
    partCalls: current.partCalls + times,
    partFailures: current.partFailures + failures,
    partSlow: current.partSlow + slow,
    reporters: isBad(call, config) ? seenBy(reporters, call.clientId, index, config) : reporters,
  };
}

/** Larger than the error of a product and a quotient of floating-point numbers. */
const ROUNDING = 1e-12;

/** A time shortly before the end of the latest part. */
export function partEnd({ index, windowMs }: TimeWindow): number {
  return (((index + 1) * windowMs) / PARTS) * (1 - ROUNDING);
}

/** The number of the part that contains this time. */
export const indexAt = (time: number, windowMs: number): number => Math.floor((time * PARTS) / windowMs);

/** The window as it is now: it becomes empty as time passes. */
export function forget(window: TimeWindow, now: number): TimeWindow {
  const { windowMs, partCalls, partFailures, partSlow } = window;
  const index = indexAt(now, windowMs);
  if (index <= window.index) return window;
  const latest = { index: window.index, calls: partCalls, failures: partFailures, slow: partSlow };
  const parts = [...window.parts, latest].filter((part) => part.calls > 0 && part.index > index - PARTS);
  const sum = (of: (part: Part) => number): number => parts.reduce((all, part) => all + of(part), 0);
  return {
    ...emptyTime(windowMs),
    calls: sum((part) => part.calls),
    failures: sum((part) => part.failures),
    slow: sum((part) => part.slow),
    parts,
    index,
    reporters: window.reporters,
  };
}
