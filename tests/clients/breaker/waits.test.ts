import { afterEach, describe, expect, it, vi } from "vitest";
import { Waits } from "../../../clients/typescript/src/breaker/waits.ts";
import { systemClock } from "../../../src/core/index.ts";

/** Node.js 20 prints a warning of a leak at this number of listeners on one target. */
const WARNED_OF = 11;

afterEach(() => vi.restoreAllMocks());

describe("many concurrent calls to the service", () => {
  it("all end when the client is stopped, and add no number of listeners that Node.js warns of", async () => {
    const listeners = new Map<EventTarget, number>();
    const { addEventListener } = EventTarget.prototype;
    vi.spyOn(EventTarget.prototype, "addEventListener").mockImplementation(function (this: EventTarget, ...args) {
      listeners.set(this, (listeners.get(this) ?? 0) + 1);
      addEventListener.apply(this, args);
    });
    const waits = new Waits(systemClock, () => 0);
    const calls = Array.from({ length: 100 }, () =>
      waits.call(({ signal }) => new Promise((_, reject) => signal?.addEventListener("abort", () => reject("ended")))),
    );
    const late = waits.call(async () => "answered");
    expect(await late).toBe("answered");
    waits.stop();
    expect(await Promise.allSettled(calls)).toEqual(calls.map(() => ({ status: "rejected", reason: "ended" })));
    expect(listeners.size).toBe(100);
    expect(Math.max(...listeners.values())).toBeLessThan(WARNED_OF);
    expect(await waits.call(async ({ signal }) => signal?.aborted)).toBe(true);
  });
});
