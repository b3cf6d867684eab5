import { describe, expect, it } from "vitest";
import { Waiters } from "../../../src/core/async/waiters.ts";

describe("the callers that wait for an event", () => {
  it("continue together, in the order of their arrival", async () => {
    const waiters = new Waiters();
    const gone: string[] = [];
    const waits = ["a", "b"].map((name) => waiters.wait().then(() => gone.push(name)));
    expect(gone).toEqual([]);
    waiters.wake();
    await Promise.all(waits);
    expect(gone).toEqual(["a", "b"]);
  });

  it("fail together with the error of the event", async () => {
    const waiters = new Waiters();
    const waits = Promise.allSettled([waiters.wait(), waiters.wait()]);
    waiters.fail(new Error("shut"));
    expect((await waits).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });

  it("wait for the next event if they arrive after one", async () => {
    const waiters = new Waiters();
    waiters.wake();
    let isAwake = false;
    const wait = waiters.wait().then(() => {
      isAwake = true;
    });
    await Promise.resolve();
    expect(isAwake).toBe(false);
    waiters.wake();
    await wait;
    expect(isAwake).toBe(true);
  });

  it("wait for the next event if they arrive while the others are being woken", async () => {
    const waiters = new Waiters();
    const again = waiters.wait().then(() => waiters.wait());
    waiters.wake();
    await Promise.resolve();
    await Promise.resolve();
    waiters.wake();
    await again;
  });
});
