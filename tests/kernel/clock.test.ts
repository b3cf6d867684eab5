import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  createManualClock,
  LONGEST_PLATFORM_DELAY_MS,
  setRepeatingTimer,
  systemClock,
} from "../../src/kernel/clock.ts";
import { LONGEST_SPAN_MS } from "../../src/kernel/span.ts";

const DAY_MS = 86_400_000;

describe("the machine's clock", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it("runs a timer at its time, not before and not after, however long it is", () => {
    const spans = fc.oneof(
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: LONGEST_PLATFORM_DELAY_MS - 2, max: LONGEST_PLATFORM_DELAY_MS + 2 }),
      fc.integer({ min: 0, max: 200 * DAY_MS }),
    );
    fc.assert(
      fc.property(spans, (ms) => {
        let ran = 0;
        systemClock.setTimer(ms, () => {
          ran += 1;
        });
        vi.advanceTimersByTime(Math.max(0, ms - 1));
        const early = ms === 0 ? 0 : ran;
        vi.advanceTimersByTime(2);
        expect([early, ran]).toEqual([0, 1]);
      }),
      { numRuns: 30 },
    );
  });

  it.each([2 ** 31, 30 * DAY_MS, LONGEST_SPAN_MS, Number.MAX_VALUE, Number.POSITIVE_INFINITY])(
    "has not run a timer of %d ms after 29 days, and can cancel it",
    (ms) => {
      const run = vi.fn();
      const timer = systemClock.setTimer(ms, run);
      vi.advanceTimersByTime(Math.min(ms - 1, 29 * DAY_MS));
      expect(run).not.toHaveBeenCalled();
      timer.cancel();
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  it("runs an overdue timer at the next turn", () => {
    const run = vi.fn();
    systemClock.setTimer(-5, run);
    systemClock.setTimer(Number.NEGATIVE_INFINITY, run);
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(2);
  });

  it("repeats until it is cancelled, also from within the callback", () => {
    let runs = 0;
    const timer = setRepeatingTimer(systemClock, 40 * DAY_MS, () => {
      runs += 1;
      if (runs === 3) timer.cancel();
    });
    vi.advanceTimersByTime(200 * DAY_MS);
    expect([runs, vi.getTimerCount()]).toEqual([3, 0]);
  });
});

it.each([systemClock, createManualClock()])("a clock refuses NaN, which would be a mistake of Helios", (clock) => {
  expect(() => clock.setTimer(Number.NaN, () => {})).toThrow(RangeError);
});
