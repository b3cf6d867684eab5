import { expect, it } from "vitest";
import { Turns } from "../../../src/server/http/turns.ts";
import { turn } from "../../support/turns.ts";

const LARGE = 600 * 1024;

it("small answers never wait, and after large ones the rest waits for the next turns, in order", async () => {
  const turns = new Turns();
  for (let index = 0; index < 1000; index += 1) turns.spend(100);
  expect(turns.mustWait).toBe(false);
  turns.spend(LARGE);
  turns.spend(LARGE);
  expect(turns.mustWait).toBe(true);
  const done: number[] = [];
  for (let index = 0; index < 6; index += 1) {
    turns.wait(() => {
      done.push(index);
      turns.spend(LARGE);
    });
  }
  const seen: number[] = [];
  while (done.length < 6) {
    await turn();
    seen.push(done.length);
  }
  expect(done).toEqual([0, 1, 2, 3, 4, 5]);
  // Two large answers fill a turn.
  expect(new Set(seen)).toEqual(new Set([2, 4, 6]));
  await turn();
  await turn();
  expect(turns.mustWait).toBe(false);
});
