import { describe, expect, it } from "vitest";
import { rig } from "./rig.ts";

describe("a breaker whose window is reconfigured", () => {
  it("opens by the outcomes from before the change", async () => {
    const setup = await rig();
    await setup.breakers.getOrCreate("api", { failureThreshold: 1000, failureRate: 0.9, minimumCalls: 10 });
    const say = (outcome: "SUCCESS" | "FAILURE", count: number, seq: number): void => {
      setup.breakers.report("a", seq, [{ name: "api", epoch: 1, runs: [{ outcome, count }] }]);
    };
    say("SUCCESS", 10, 1);
    say("FAILURE", 10, 2);
    const before = setup.breakers.get("api");
    for (const fields of [
      { windowCalls: 50 },
      { windowMs: 60_000 },
      { windowMs: 30_000 },
      { windowMs: 0, windowCalls: 40 },
    ]) {
      const after = await setup.breakers.update("api", fields);
      expect(after.counts).toEqual(before.counts);
      expect(after).toMatchObject({ state: "CLOSED", epoch: 1, transition: before.transition });
    }
    await setup.breakers.update("api", { failureRate: 0.5 });
    say("FAILURE", 1, 3);
    expect(setup.breakers.get("api").state).toBe("OPEN");
  });
});

describe("a failure share", () => {
  it.each([7, 14, 28, 55, 57, 58])("a share of %i in 100 opens a breaker with that rate", async (percent) => {
    const { breakers } = await rig();
    const failureRate = percent / 100;
    await breakers.getOrCreate("api", { failureThreshold: 1000, failureRate, minimumCalls: 100 });
    const runs = [
      { outcome: "SUCCESS", count: 100 - percent } as const,
      { outcome: "FAILURE", count: percent } as const,
    ];
    breakers.report("a", 1, [{ name: "api", epoch: 1, runs }]);
    expect(breakers.get("api").state).toBe("OPEN");
  });
});
