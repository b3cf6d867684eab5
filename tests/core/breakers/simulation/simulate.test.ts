import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RECORDED_MS, Recording } from "../../../../src/core/breakers/simulation/recording.ts";
import type { BreakerConfigFields } from "../../../../src/kernel/breakers/config.ts";
import type { Outcome } from "../../../../src/kernel/breakers/machine.ts";
import { type Rig, rig } from "../rig.ts";

const CONFIG: BreakerConfigFields = { failureThreshold: 3, timeoutMs: 5000, successThreshold: 2 };

async function withBreaker(config: BreakerConfigFields = CONFIG): Promise<Rig> {
  const setup = await rig();
  await setup.breakers.getOrCreate("api", config);
  return setup;
}

/** Makes one call a second, with the given outcomes. A rejected call has no outcome. */
function live({ breakers, clock }: Rig, health: readonly Outcome[]): void {
  for (const outcome of health) {
    const permit = breakers.acquire("api");
    if (permit.allowed) breakers.record("api", permit, outcome);
    clock.advance(1000);
  }
}

const BAD: readonly Outcome[] = Array.from({ length: 30 }, () => "FAILURE");
const GOOD: readonly Outcome[] = Array.from({ length: 30 }, () => "SUCCESS");

describe("a simulation", () => {
  it("a simulation of the configuration in force repeats the real transitions", async () => {
    const setup = await withBreaker();
    live(setup, [...GOOD, ...BAD, ...GOOD]);
    const { actual, simulated } = setup.breakers.simulate("api");
    const inShort = ({ transitions }: typeof actual) =>
      transitions.filter(({ action }) => action !== "GetOrCreateBreaker").map(({ action, at }) => [action, at]);
    // The outcomes of rejected calls are unknown, so the simulated probes wait for the next known one.
    expect(inShort(simulated).slice(0, 2)).toEqual(inShort(actual).slice(0, 2));
    expect(simulated.transitions.at(-1)).toEqual(actual.transitions.at(-1));
    expect(simulated.transitions.at(-1)).toMatchObject({ action: "Close", state: "CLOSED" });
    expect([simulated.calls, actual.calls]).toEqual([90, 90]);
  });

  it("a simulation of a tolerant configuration never opens, and says for how many calls the outcome is unknown", async () => {
    const setup = await withBreaker();
    live(setup, [...GOOD, ...BAD, ...GOOD]);
    const { actual, simulated } = setup.breakers.simulate("api", { failureThreshold: 1000 });
    expect(simulated).toMatchObject({ openings: 0, openMs: 0, rejected: 0, unknown: actual.rejected });
    expect(actual.rejected).toBeGreaterThan(10);
    expect(actual.openMs).toBeGreaterThan(20_000);
  });

  it("a simulation of a strict configuration opens earlier, and rejects calls that really went through", async () => {
    const setup = await withBreaker({ ...CONFIG, failureThreshold: 1000 });
    live(setup, [...GOOD, ...BAD, ...GOOD]);
    const { actual, simulated } = setup.breakers.simulate("api", { failureThreshold: 2, timeoutMs: 60_000 });
    expect(actual).toMatchObject({ openings: 0, rejected: 0, openMs: 0 });
    expect(simulated).toMatchObject({ openings: 1, openMs: 59_000, rejected: 58, unknown: 0 });
  });

  it("a simulation with min_reporters distinguishes the clients", async () => {
    const setup = await withBreaker({ failureThreshold: 1000 });
    for (let seq = 1; seq <= 20; seq += 1) {
      const runs = [{ outcome: "FAILURE", count: 1 }] as const;
      setup.breakers.report("bad", seq, [{ name: "api", epoch: 1, runs }]);
      setup.clock.advance(1000);
    }
    const one = setup.breakers.simulate("api", { failureThreshold: 5, timeoutMs: 60_000 });
    expect(one.simulated).toMatchObject({ openings: 1, rejected: 15 });
    const three = setup.breakers.simulate("api", { failureThreshold: 5, timeoutMs: 60_000, minReporters: 3 });
    expect(three.simulated).toMatchObject({ openings: 0, rejected: 15 });
  });

  it("splits a batch of calls at the call that opens the breaker, and rejects the rest", async () => {
    const setup = await withBreaker({ failureThreshold: 1000 });
    const runs = [{ outcome: "FAILURE", count: 10 }] as const;
    setup.breakers.report("a", 1, [{ name: "api", epoch: 1, runs }]);
    const { simulated } = setup.breakers.simulate("api", { failureThreshold: 3 });
    expect(simulated).toMatchObject({ openings: 1, calls: 10, rejected: 7 });
  });

  it("covers the requested span", async () => {
    const setup = await withBreaker({ ...CONFIG, failureThreshold: 1000 });
    live(setup, [...BAD, ...GOOD]);
    const { from, to, actual, simulated } = setup.breakers.simulate("api", { failureThreshold: 2 }, 30_000);
    expect(to - from).toBe(30_000);
    expect([actual.calls, simulated.calls, simulated.openings]).toEqual([30, 30, 0]);
    for (const spanMs of [999, RECORDED_MS + 1, Number.NaN]) {
      expect(() => setup.breakers.simulate("api", {}, spanMs)).toThrow(
        expect.objectContaining({ reason: "ARGUMENT_INVALID" }),
      );
    }
  });

  it("changes nothing, whatever it simulates", async () => {
    const config = fc.record(
      {
        failureThreshold: fc.integer({ min: 1, max: 9 }),
        timeoutMs: fc.integer({ min: 1, max: 9000 }),
        failureRate: fc.constantFrom(null, 0.1, 1),
        windowMs: fc.constantFrom(0, 3000),
        minReporters: fc.integer({ min: 1, max: 3 }),
        timeoutMultiplier: fc.constantFrom(1, 3),
        jitter: fc.constantFrom(0, 1),
      },
      { requiredKeys: [] },
    );
    const health = fc.array(fc.constantFrom("SUCCESS", "FAILURE", "IGNORED"), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(config, health, async (tried, all) => {
        const setup = await withBreaker();
        live(setup, all as Outcome[]);
        await setup.breakers.stored();
        const before = [setup.breakers.get("api"), setup.feed.revision, setup.timers()];
        const { actual, simulated } = setup.breakers.simulate("api", tried);
        expect([setup.breakers.get("api"), setup.feed.revision, setup.timers()]).toEqual(before);
        for (const course of [actual, simulated]) {
          expect(course.rejected + course.unknown).toBeLessThanOrEqual(course.calls);
          expect(Math.min(course.openMs, course.rejected, course.unknown)).toBeGreaterThanOrEqual(0);
        }
        expect(simulated.calls).toBe(actual.calls);
      }),
      { numRuns: 200 },
    );
  });
});

describe("a recording of calls", () => {
  it("holds every call of the last hour in order, with equal calls of one second merged", () => {
    const recording = new Recording(0);
    for (let second = 0; second < 3700; second += 1) {
      for (let call = 0; call < 10; call += 1) recording.add(second * 1000 + call, "SUCCESS", false, 0, 1);
    }
    const now = 3_699_999;
    const runs = [...recording.runs(recording.since(now))];
    expect(recording.since(now)).toBe(now - RECORDED_MS);
    expect(runs).toHaveLength(3601);
    expect(runs.every(({ count }) => count === 10)).toBe(true);
    expect(runs.map(({ at }) => at)).toEqual(runs.map(({ at }) => at).sort((a, b) => a - b));
  });

  it("loses no call of a busy second, has a bounded size, and says when it begins", () => {
    const recording = new Recording(0);
    let calls = 0;
    for (let second = 0; second < 3000; second += 1) {
      for (let call = 0; call < 100; call += 1) {
        recording.add(second * 1000 + call, call % 2 === 0 ? "SUCCESS" : "FAILURE", call % 3 === 0, call % 7, 1);
        calls += 1;
      }
    }
    const now = 2_999_999;
    const since = recording.since(now);
    const runs = [...recording.runs(since)];
    expect(runs.length).toBeLessThanOrEqual(16_384);
    expect(since).toBeGreaterThan(0);
    const kept = runs.reduce((sum, { count }) => sum + count, 0);
    expect(kept).toBe(((3_000_000 - since) / 1000) * 100);
    expect(kept).toBeLessThan(calls);
  });
});
