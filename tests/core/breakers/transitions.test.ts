import { describe, expect, it } from "vitest";
import type { Moved } from "../../../src/core/breakers/live/live.ts";
import { rig } from "./rig.ts";

describe("a listener of a breaker's transitions", () => {
  it("is called in the same step as each transition, with the state that holds for calls, until it is removed", async () => {
    const { breakers, clock } = await rig();
    const received: Moved[] = [];
    // The breaker need not exist yet.
    const stop = breakers.onTransition("b", (moved) => void received.push(moved));
    await breakers.getOrCreate("b", { failureThreshold: 1, timeoutMs: 1000, successThreshold: 1 });
    await breakers.getOrCreate("other", { failureThreshold: 1 });
    expect(received).toEqual([]);
    breakers.record("other", breakers.acquire("other"), "FAILURE");
    breakers.record("b", breakers.acquire("b"), "FAILURE");
    expect(received).toEqual([{ state: "OPEN", override: undefined }]);
    clock.advance(1000);
    expect(received.at(-1)).toEqual({ state: "HALF_OPEN", override: undefined });
    await breakers.open("b");
    expect(received.at(-1)).toEqual({ state: "OPEN", override: "FORCED_OPEN" });
    await breakers.delete("b");
    await breakers.getOrCreate("b", { failureThreshold: 1 });
    breakers.record("b", breakers.acquire("b"), "FAILURE");
    expect(received).toHaveLength(4);
    stop();
    await breakers.reset("b");
    expect(received).toHaveLength(4);
  });
});
