import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pause } from "../../../src/kernel/async/pause.ts";
import { type Limit, race, raceOr, signalLimit, timeLimit } from "../../../src/kernel/async/race.ts";
import { watchedClock } from "../../support/clocks.ts";
import { watchedSignal } from "./watched-signal.ts";

const LATE = new Error("late");
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A clock and a signal, with the number of their timers and listeners. */
function world() {
  const { clock, timers } = watchedClock();
  const { controller, signal, listeners } = watchedSignal();
  return { clock, controller, signal, left: () => timers() + listeners() };
}

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", note);
});
afterEach(async () => {
  await turn();
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});

describe("a race of work with limits", () => {
  it("settles like the work, and leaves neither timer nor listener", async () => {
    const { clock, signal, left } = world();
    const limits = [timeLimit(clock, 100, () => LATE), signalLimit(signal)];
    await expect(race(Promise.resolve(1), limits)).resolves.toBe(1);
    await expect(race(Promise.reject(new Error("failed")), limits)).rejects.toThrow("failed");
    expect(left()).toBe(0);
  });

  it("ends at its deadline, not before, and drops a late answer", async () => {
    const { clock, signal, left } = world();
    const work = Promise.withResolvers<number>();
    const ended: unknown[] = [];
    const raced = race(work.promise, [timeLimit(clock, 100, () => LATE), signalLimit(signal)], (error) =>
      ended.push(error),
    );
    clock.advance(99);
    expect(ended).toEqual([]);
    clock.advance(1);
    expect([ended, left()]).toEqual([[LATE], 0]);
    work.resolve(1);
    await expect(raced).rejects.toBe(LATE);
    expect(ended).toHaveLength(1);
  });

  it("ends in the same turn in which its signal is aborted, and drops a late error", async () => {
    const { clock, controller, signal, left } = world();
    const work = Promise.withResolvers<number>();
    const ended: unknown[] = [];
    const raced = race(work.promise, [timeLimit(clock, 100, () => LATE), signalLimit(signal)], (error) =>
      ended.push(error),
    );
    controller.abort("left");
    expect(ended).toEqual(["left"]);
    clock.advance(1000);
    work.reject(new Error("nobody hears this"));
    await expect(raced).rejects.toBe("left");
    expect([ended, left()]).toEqual([["left"], 0]);
  });

  it("can end with a value instead of the limit's error, but not instead of an error of the work", async () => {
    const { clock, left } = world();
    const limits = [timeLimit(clock, 100, () => LATE)];
    const instead = (error: unknown): unknown => [error];
    const raced = raceOr(Promise.withResolvers<number>().promise, limits, instead);
    clock.advance(100);
    expect(await raced).toEqual([LATE]);
    expect(await raceOr(Promise.resolve(1), limits, instead)).toBe(1);
    await expect(raceOr(Promise.reject(LATE), limits, instead)).rejects.toBe(LATE);
    expect(left()).toBe(0);
  });

  it("ends at once if its signal is already aborted, and starts no timer", async () => {
    const { clock, controller, signal, left } = world();
    controller.abort("left");
    const raced = race(Promise.resolve(1), [signalLimit(signal), timeLimit(clock, 100, () => LATE)]);
    expect(left()).toBe(0);
    await expect(raced).rejects.toBe("left");
  });

  it("has no deadline if that is infinite, and no signal if none is given", async () => {
    const { clock, left } = world();
    const work = Promise.withResolvers<number>();
    const raced = race(work.promise, [timeLimit(clock, Number.POSITIVE_INFINITY, () => LATE), signalLimit(undefined)]);
    expect(left()).toBe(0);
    work.resolve(1);
    await expect(raced).resolves.toBe(1);
  });

  it("stops every limit once, whichever of them ends it and when", async () => {
    const plans = fc.record({
      limits: fc.array(fc.constantFrom("now", "later", "never"), { maxLength: 5 }),
      work: fc.constantFrom("fulfilled", "rejected", "pending"),
    });
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const begun: number[] = [];
        const stopped: number[] = [];
        const later: (() => void)[] = [];
        const limits = plan.limits.map(
          (when, index): Limit =>
            (end) => {
              begun.push(index);
              if (when === "now") end(index);
              if (when === "later") later.push(() => end(index));
              return () => stopped.push(index);
            },
        );
        const work = Promise.withResolvers<string>();
        if (plan.work === "fulfilled") work.resolve("work");
        if (plan.work === "rejected") work.reject("work");
        let ended = 0;
        const raced = race(work.promise, limits, () => {
          ended += 1;
        });
        const first = plan.limits.indexOf("now");
        const settled = raced.catch((error: unknown) => error);
        if (first < 0 && plan.work === "pending") {
          for (const end of later) end();
          if (later.length === 0) work.resolve("work");
        }
        const winner = await settled;
        for (const end of later) end();
        const firstLater = plan.limits.indexOf("later");
        const expected = first >= 0 ? first : plan.work !== "pending" || firstLater < 0 ? "work" : firstLater;
        expect(winner).toBe(expected);
        expect(ended).toBe(expected === "work" ? 0 : 1);
        expect(stopped.toSorted()).toEqual(begun);
        expect(begun).toHaveLength(first < 0 ? plan.limits.length : first + 1);
      }),
    );
  });
});

describe("a pause", () => {
  it("ends after its time, and leaves no listener", async () => {
    const { clock, signal, left } = world();
    const pausing = pause(clock, 100, signal);
    clock.advance(100);
    await pausing;
    expect(left()).toBe(0);
  });

  it("ends when the signal is aborted, and leaves no timer", async () => {
    const { clock, controller, signal, left } = world();
    const pausing = pause(clock, 100, signal);
    controller.abort("left");
    await expect(pausing).rejects.toBe("left");
    expect(left()).toBe(0);
    await expect(pause(clock, 100, signal)).rejects.toBe("left");
    expect(left()).toBe(0);
  });
});
