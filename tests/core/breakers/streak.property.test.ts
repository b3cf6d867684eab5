import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OutcomeReport } from "../../../src/core/breakers/clients/reports.ts";
import type { Breakers } from "../../../src/core/breakers/types.ts";
import type { BreakerConfigFields } from "../../../src/kernel/breakers/config.ts";
import { times } from "../../effort.ts";
import { type Rig, rig } from "./rig.ts";

const config: fc.Arbitrary<BreakerConfigFields> = fc.record({
  failureThreshold: fc.integer({ min: 1, max: 6 }),
  failureRate: fc.constantFrom(null, 0.2, 0.5),
  slowCallRate: fc.constantFrom(null, null, 0.5),
  slowCallDurationMs: fc.constantFrom(100, 60_000),
  windowCalls: fc.integer({ min: 1, max: 12 }),
  windowMs: fc.constantFrom(0, 0, 1000, 7000),
  minimumCalls: fc.integer({ min: 1, max: 12 }),
  minReporters: fc.constantFrom(1, 1, 1, 2),
  warmUpMs: fc.constantFrom(0, 0, 800),
  successThreshold: fc.integer({ min: 1, max: 2 }),
  timeoutMs: fc.constantFrom(200, 1000),
});
const outcome = fc.constantFrom("SUCCESS", "SUCCESS", "SUCCESS", "SUCCESS", "FAILURE", "IGNORED");
const act = fc.oneof(
  {
    weight: 16,
    arbitrary: fc.record({
      do: fc.constant("call"),
      outcome,
      durationMs: fc.constantFrom(0, 0, 0, 101, 60_001),
      repeat: fc.constantFrom(1, 3, 10, 30),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("report"), outcome, count: fc.integer({ min: 1, max: 5 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.constantFrom(1, 49, 50, 300, 950, 1000, 4000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("update"), to: config }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("hold"),
      kind: fc.constantFrom("DISABLED", "METRICS_ONLY", "FORCED_CLOSED"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("unhold", "reset", "recreate", "late") }) },
) as fc.Arbitrary<Act>;

type Called = OutcomeReport["runs"][number]["outcome"];
type Act =
  | { do: "call"; outcome: Called; durationMs: number; repeat: number }
  | { do: "report"; outcome: Called; count: number }
  | { do: "pass"; ms: number }
  | { do: "update"; to: BreakerConfigFields }
  | { do: "hold"; kind: "DISABLED" | "METRICS_ONLY" | "FORCED_CLOSED" }
  | { do: "unhold" | "reset" | "recreate" | "late" };

async function perform(act: Act, at: number, { breakers, clock }: Rig): Promise<void> {
  switch (act.do) {
    case "call":
      for (let call = 0; call < act.repeat; call += 1)
        breakers.record("api", breakers.acquire("api"), act.outcome, act.durationMs);
      return;
    case "report": {
      const { epoch } = breakers.resources()[0]?.record ?? { epoch: 1 };
      const runs = [{ outcome: act.outcome, count: act.count }];
      breakers.report("client", at + 1, [{ name: "api", epoch, leaseId: undefined, runs }]);
      return;
    }
    case "late":
      return breakers.record("api", { allowed: true, epoch: 0 }, "SUCCESS");
    case "pass":
      return clock.advance(act.ms);
    case "update":
      await breakers.update("api", act.to);
      return;
    case "hold":
      await breakers.override("api", { kind: act.kind });
      return;
    case "unhold":
      await breakers.releaseHold("api");
      return;
    case "reset":
      await breakers.reset("api");
      return;
    case "recreate":
      await breakers.delete("api");
      await breakers.getOrCreate("api", { failureRate: 0.5, windowMs: 1000 });
  }
}

/** Everything that anyone can see of the breaker. */
const seen = (breakers: Breakers) => [
  breakers.get("api"),
  breakers.simulate("api", { failureThreshold: 3 }),
  breakers.simulate("api", { failureRate: 0.4 }, 2000),
  // What a watcher is sent.
  ...breakers.resources().map((resource) => breakers.view(resource)),
];

describe("a breaker that counts successes in streaks", () => {
  it("is the same whether somebody looks at it after each act or only at the end, and leaves what was seen as it was", async () => {
    await fc.assert(
      fc.asyncProperty(config, fc.array(act, { maxLength: 40 }), async (fields, acts) => {
        const [watched, unwatched] = [await rig(), await rig()];
        const kept: { readonly now: unknown; readonly was: unknown }[] = [];
        for (const { breakers } of [watched, unwatched]) await breakers.getOrCreate("api", fields);
        for (const [at, each] of acts.entries()) {
          for (const one of [watched, unwatched]) {
            await perform(each, at, one);
            await one.breakers.stored();
          }
          const now = seen(watched.breakers);
          kept.push({ now, was: structuredClone(now) });
        }
        expect(seen(unwatched.breakers)).toEqual(seen(watched.breakers));
        expect(await unwatched.stored("api")).toEqual(await watched.stored("api"));
        expect(await unwatched.actions("api")).toEqual(await watched.actions("api"));
        expect(unwatched.logged).toEqual(watched.logged);
        for (const { now, was } of kept) expect(now).toEqual(was);
        for (const { breakers } of [watched, unwatched]) await breakers.close();
      }),
      { numRuns: times(100, 500) },
    );
  });

  const called = async (
    config: BreakerConfigFields,
  ): Promise<Rig & { call(outcome: Called, times?: number): void }> => {
    const setup = await rig();
    await setup.breakers.getOrCreate("api", config);
    const call = (outcome: Called, times = 1): void => {
      for (let count = 0; count < times; count += 1)
        setup.breakers.record("api", setup.breakers.acquire("api"), outcome);
    };
    return { ...setup, call };
  };

  it("shows every call that has ended, and in which second", async () => {
    const { breakers, clock, call } = await called({ failureRate: 0.5 });
    clock.advance(5900);
    call("SUCCESS", 10);
    expect(breakers.simulate("api", {}, 1000).actual.calls).toBe(10);
    call("SUCCESS", 10);
    expect(breakers.get("api").counts).toMatchObject({ successes: 20, window: { calls: 20, failures: 0 } });
    call("SUCCESS", 10);
    clock.advance(200);
    call("SUCCESS", 3);
    expect(breakers.simulate("api", {}, 3000).actual.calls).toBe(33);
    clock.advance(1400);
    expect(breakers.simulate("api", {}, 2000).actual.calls).toBe(33);
    // The calls of the second that began 1.5 s ago.
    expect(breakers.simulate("api", {}, 1000).actual.calls).toBe(3);
  });

  it("opens at the success that completes the least number of calls, although a streak had begun before", async () => {
    const { breakers, call } = await called({ failureRate: 0.5, minimumCalls: 4 });
    const states: string[] = [];
    breakers.onTransition("api", ({ state }) => states.push(state));
    for (const outcome of ["SUCCESS", "FAILURE", "FAILURE"] as const) call(outcome);
    expect(states).toEqual([]);
    call("SUCCESS");
    expect(states).toEqual(["OPEN"]);
  });

  it("counts the calls before a change of its configuration by the configuration that they had", async () => {
    const { breakers, call } = await called({ failureRate: 0.5, windowCalls: 3 });
    call("SUCCESS", 10);
    await breakers.update("api", { windowCalls: 10 });
    expect(breakers.get("api").counts).toMatchObject({ successes: 10, window: { calls: 3 } });
  });
});
