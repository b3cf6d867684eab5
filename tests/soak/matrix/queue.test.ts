// @module-tag soak

import { expect, it } from "vitest";
import { startTraffic } from "../../core/modules/traffic.ts";
import { describeInEach } from "../../support/isolations.ts";
import { cell, counter, goesOn, leavesNothing } from "./cell.ts";

/** One call is under way and four wait, so the queue is full. */
const fields = { concurrency: 1 };

describeInEach("a module in a %s with a full queue of calls", (isolation) => {
  it("hands over its state, and no call fails", async () => {
    const one = await cell({ isolation, fields, callers: 4 });
    const fifth = startTraffic(() => one.patiently("same", 1), 1);
    await fifth.more(5);
    expect((await one.swap()).failure).toBeUndefined();
    expect((await fifth.stop()).failed).toEqual([]);
    await goesOn(one, "2");
  });

  it("keeps its version if more calls arrive while they are held, and no call fails", async () => {
    const v1 = counter(
      1,
      {},
      "#end; hold() { return new Promise((resolve) => { this.#end = resolve; }); } release() { this.#end(); }",
    );
    const one = await cell({ isolation, fields, v1, callers: 0 });
    const { instance } = one.modules.activeInstance("counter");
    const held = one.patiently("hold");
    const holding = Promise.withResolvers<void>();
    const swapped = one.swap({}, (event) => {
      if (event.type === "started" && event.name === "hand_over") holding.resolve();
    });
    await holding.promise;
    const waiting = Array.from({ length: 6 }, () => one.patiently("increment"));
    const result = await swapped;
    expect(result).toMatchObject({ swapped: false, failedStep: "hand_over", fromVersion: "1" });
    expect(result.failure).toBe("the queue of waiting calls was full");
    await instance.invoke("release", { json: null }, { timeoutMs: 60_000 });
    await held;
    expect(await Promise.all(waiting)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await one.call("counter", "which")).toBe("1");
    expect(await one.swap()).toMatchObject({ swapped: true, toVersion: "2" });
    expect(await one.call("counter", "increment")).toBe(7);
    await leavesNothing(one);
  });
});
