import { describe, expect, it } from "vitest";
import { joined, onAbort } from "../../../src/kernel/async/signal.ts";
import { watchedSignal } from "./watched-signal.ts";

describe("a callback for the abort of a signal", () => {
  it("is called once when the signal is aborted", () => {
    const controller = new AbortController();
    let runs = 0;
    onAbort(controller.signal, () => {
      runs += 1;
    });
    expect(runs).toBe(0);
    controller.abort();
    controller.abort();
    expect(runs).toBe(1);
  });

  it("is called at once for an aborted signal, and never without a signal", () => {
    let runs = 0;
    const run = (): void => {
      runs += 1;
    };
    onAbort(AbortSignal.abort(), run);
    expect(runs).toBe(1);
    onAbort(undefined, run)();
    expect(runs).toBe(1);
  });

  it("is not called after it was removed", () => {
    const { controller, signal, listeners } = watchedSignal();
    let runs = 0;
    const stop = onAbort(signal, () => {
      runs += 1;
    });
    stop();
    expect(listeners()).toBe(0);
    controller.abort();
    stop();
    expect(runs).toBe(0);
  });
});

describe("a signal that follows others", () => {
  it("is aborted with the first of them, with its reason, and removes its listeners from the others", () => {
    const [a, b] = [watchedSignal(), watchedSignal()];
    const { signal } = joined([a.signal, undefined, b.signal]);
    expect(signal.aborted).toBe(false);
    b.controller.abort("b");
    a.controller.abort("a");
    expect(signal.reason).toBe("b");
    expect([a.listeners(), b.listeners()]).toEqual([0, 0]);
  });

  it("is aborted from the start if one of them is, and adds no listeners", () => {
    const [a, c] = [watchedSignal(), watchedSignal()];
    const { signal } = joined([a.signal, AbortSignal.abort("b"), c.signal]);
    expect(signal.reason).toBe("b");
    expect([a.listeners(), c.listeners()]).toEqual([0, 0]);
  });

  it("can be aborted itself, which does not affect the others and removes its listeners", () => {
    const a = watchedSignal();
    const { signal, abort } = joined([a.signal]);
    abort("own");
    expect([signal.reason, a.signal.aborted, a.listeners()]).toEqual(["own", false, 0]);
  });

  it("follows no signal after it was released", () => {
    const a = watchedSignal();
    const { signal, release } = joined([a.signal]);
    release();
    a.controller.abort();
    expect([signal.aborted, a.listeners()]).toEqual([false, 0]);
  });
});
