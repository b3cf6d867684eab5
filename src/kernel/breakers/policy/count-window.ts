import type { BreakerConfig } from "../config.ts";
import { type Call, isBad, NOTHING, type Reporter, seenBy, type Tally } from "./call.ts";

/** Equal calls in a row. */
interface Run {
  readonly failed: boolean;
  readonly slow: boolean;
  readonly count: number;
  /** In `young` the run before this one, in `old` the run after it. */
  readonly next: Run | undefined;
}

/** The last `windowCalls` calls. */
export interface CountWindow {
  readonly kind: "COUNT";
  readonly tally: Tally;
  /** The runs from the oldest on. */
  readonly old: Run | undefined;
  /** The latest run, then those before it. All of them came after `old`: two stacks make a queue, amortised O(1) a step. */
  readonly young: Run | undefined;
  /** The number of all calls so far. */
  readonly position: number;
  readonly reporters: readonly Reporter[];
}

export const EMPTY_COUNT: CountWindow = {
  kind: "COUNT",
  tally: NOTHING,
  old: undefined,
  young: undefined,
  position: 0,
  reporters: [],
};

/** The window after `times` more of `call`. Returns the same window if nothing changes. */
export function addToCount(window: CountWindow, call: Call, times: number, config: BreakerConfig): CountWindow {
  const { windowCalls } = config;
  const { old, young, tally } = window;
  const only = old === undefined && young?.next === undefined ? young : undefined;
  const bad = isBad(call, config);
  // All calls of the window are equal to this one, as with a healthy dependency.
  if (!bad && only !== undefined && isLike(only, call) && tally.calls === windowCalls) return window;
  const grown = addRun(window, call, times, windowCalls);
  if (!bad) return shrink(grown, windowCalls);
  const reporters = seenBy(window.reporters, call.clientId, grown.position, config);
  return shrink({ ...grown, reporters }, windowCalls);
}

/** The window with `times` more equal calls, of which at most `most` are kept. */
export function addRun(
  window: CountWindow,
  { failed, slow }: Pick<Call, "failed" | "slow">,
  times: number,
  most = times,
): CountWindow {
  const { young, tally, position } = window;
  const added = Math.min(times, most);
  const merged = young !== undefined && isLike(young, { failed, slow });
  const latest = merged ? { ...young, count: young.count + added } : { failed, slow, count: added, next: young };
  return { ...window, tally: sum(tally, latest, added), young: latest, position: position + times };
}

/** Calls of which only the sums are known, as runs: failures come last, and are the slow ones as far as possible. */
export function outcomesOf({
  calls,
  failures,
  slow,
}: Tally): readonly { failed: boolean; slow: boolean; count: number }[] {
  const both = Math.min(failures, slow);
  return [
    { failed: false, slow: false, count: calls - failures - (slow - both) },
    { failed: false, slow: true, count: slow - both },
    { failed: true, slow: false, count: failures - both },
    { failed: true, slow: true, count: both },
  ].filter(({ count }) => count > 0);
}

/** The window with its last `calls` calls. */
export function shrink(window: CountWindow, calls: number): CountWindow {
  let { old, young, tally } = window;
  while (tally.calls > calls) {
    if (old === undefined) {
      for (let run = young; run !== undefined; run = run.next) old = { ...run, next: old };
      young = undefined;
    }
    if (old === undefined) break;
    const gone = Math.min(old.count, tally.calls - calls);
    tally = sum(tally, old, -gone);
    old = gone === old.count ? old.next : { ...old, count: old.count - gone };
  }
  // `young` keeps at least one run, because that run can grow.
  if (young === undefined && old !== undefined && old.next === undefined)
    return { ...window, old: undefined, young: old, tally };
  return { ...window, old, young, tally };
}

const isLike = (run: Run, { failed, slow }: Pick<Call, "failed" | "slow">): boolean =>
  run.failed === failed && run.slow === slow;

const sum = ({ calls, failures, slow }: Tally, run: Run, count: number): Tally => ({
  calls: calls + count,
  failures: failures + (run.failed ? count : 0),
  slow: slow + (run.slow ? count : 0),
});
