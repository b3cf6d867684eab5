import { expect, it } from "vitest";
import { Patience } from "../../../src/server/http/patience.ts";
import { watchedClock } from "../../support/clocks.ts";

it("many waits of the same time share one timer, and each ends when its own time is over", () => {
  const { clock, timers } = watchedClock();
  const patience = new Patience(clock, 1000);
  const late: number[] = [];
  const waiters = Array.from({ length: 100 }, (_, index) => ({ late: () => void late.push(index) }));
  for (const waiter of waiters) {
    patience.add(waiter);
    clock.advance(1);
  }
  expect(timers()).toBe(1);
  for (const waiter of waiters.slice(50)) patience.delete(waiter);
  clock.advance(900);
  expect(late).toEqual([0]);
  clock.advance(20);
  expect(late).toHaveLength(21);
  clock.advance(1000);
  expect(late).toEqual(Array.from({ length: 50 }, (_, index) => index));
  expect(timers()).toBe(0);
});

it("a wait that begins after all others have ended has its whole time", () => {
  const { clock } = watchedClock();
  const patience = new Patience(clock, 1000);
  const late: string[] = [];
  const [first, second] = ["first", "second"].map((name) => ({ late: () => void late.push(name) }));
  if (first === undefined || second === undefined) throw new Error("there are two");
  patience.add(first);
  patience.delete(first);
  clock.advance(600);
  patience.add(second);
  clock.advance(999);
  expect(late).toEqual([]);
  clock.advance(1);
  expect(late).toEqual(["second"]);
});
