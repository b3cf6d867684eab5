import { describe, expect, it } from "vitest";
import { pushed } from "../../../src/core/async/push.ts";
import { turn } from "../../support/turns.ts";

describe("a pushed stream", () => {
  it("delivers everything pushed before and after reading begins, in order, and ends with its work", async () => {
    const more = Promise.withResolvers<void>();
    const stream = pushed<number>(async (push) => {
      push(1);
      push(2);
      await more.promise;
      push(3);
    });
    expect(await stream.next()).toEqual({ value: 1, done: false });
    expect(await stream.next()).toEqual({ value: 2, done: false });
    const third = stream.next();
    await turn();
    more.resolve();
    expect(await third).toEqual({ value: 3, done: false });
    expect(await stream.next()).toEqual({ value: undefined, done: true });
  });

  it("delivers everything that was pushed before it fails with the error of its work", async () => {
    const stream = pushed<number>(async (push) => {
      push(1);
      throw new Error("broken");
    });
    await turn();
    expect(await stream.next()).toEqual({ value: 1, done: false });
    await expect(stream.next()).rejects.toThrow("broken");
    expect(await stream.next()).toEqual({ value: undefined, done: true });
  });

  it("ends at once if its work pushes nothing", async () => {
    expect(await pushed(async () => {}).next()).toEqual({ value: undefined, done: true });
  });

  it("lets its work finish after the reader has left, and causes no unhandled rejection", async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", note);
    const more = Promise.withResolvers<void>();
    let isOver = false;
    const stream = pushed<number>(async (push) => {
      push(1);
      await more.promise;
      isOver = true;
      throw new Error("nobody reads this");
    });
    await stream.next();
    await stream.return();
    more.resolve();
    await turn();
    await turn();
    process.off("unhandledRejection", note);
    expect([isOver, unhandled]).toEqual([true, []]);
  });
});
