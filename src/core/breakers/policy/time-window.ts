import type { BreakerConfig } from "../breaker.ts";
import { type Call, isBad, NOTHING, type Reporter, seenBy, type Tally } from "./call.ts";

/** Into so many parts a time window is cut: what it holds leaves it part by part, up to one part early, never late. */
export const PARTS = 20;

interface Part {
  /** Counts the parts of time from its start. */
  readonly index: number;
  readonly tally: Tally;
}

/** The calls of the last `windowMs`. */
export interface TimeWindow {
  readonly kind: "TIME";
  readonly windowMs: number;
  /** All parts together. */
  readonly tally: Tally;
  /** Those before `latest` that had calls, oldest first. */
  readonly parts: readonly Part[];
  readonly latest: Part;
  readonly reporters: readonly Reporter[];
}

export const emptyTime = (windowMs: number): TimeWindow => ({
  kind: "TIME",
  windowMs,
  tally: NOTHING,
  parts: [],
  latest: { index: 0, tally: NOTHING },
  reporters: [],
});

/** The window after `times` more of `call`. */
export function addToTime(
  window: TimeWindow,
  call: Call,
  times: number,
  config: BreakerConfig,
  now: number,
): TimeWindow {
  const current = forget(window, now);
  const { latest, reporters } = current;
  return {
    ...current,
    tally: sum(current.tally, call, times),
    latest: { index: latest.index, tally: sum(latest.tally, call, times) },
    reporters: isBad(call, config) ? seenBy(reporters, call.clientId, latest.index, config) : reporters,
  };
}

/** The window as it is now: time alone empties it, too. */
export function forget(window: TimeWindow, now: number): TimeWindow {
  const { latest, parts, windowMs } = window;
  const index = Math.floor((now * PARTS) / windowMs);
  if (index <= latest.index) return window;
  const kept = [...parts, latest].filter((part) => part.tally.calls > 0 && part.index > index - PARTS);
  const tally = kept.map((part) => part.tally).reduce(plus, NOTHING);
  return { ...window, tally, parts: kept, latest: { index, tally: NOTHING } };
}

const sum = (tally: Tally, { failed, slow }: Call, times: number): Tally => ({
  calls: tally.calls + times,
  failures: tally.failures + (failed ? times : 0),
  slow: tally.slow + (slow ? times : 0),
});

const plus = (a: Tally, b: Tally): Tally => ({
  calls: a.calls + b.calls,
  failures: a.failures + b.failures,
  slow: a.slow + b.slow,
});
