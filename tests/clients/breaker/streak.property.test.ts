import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { Circuit } from "../../../clients/typescript/src/breaker/circuit.ts";
import { Permits } from "../../../clients/typescript/src/breaker/permits.ts";
import type { ServiceBreaker } from "../../../clients/typescript/src/breaker/service-breaker.ts";
import { step } from "../../../src/kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../src/kernel/breakers/config.ts";
import { CLOSED, type Event, leavesAsIs, type Machine, type Outcome } from "../../../src/kernel/breakers/machine.ts";
import { DEFAULT_CONFIG } from "../../../src/kernel/breakers/policy/defaults.ts";
import { tallyOf } from "../../../src/kernel/breakers/policy/trip.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { times } from "../../effort.ts";

const random = () => 0.25;

/** A circuit of a client that has no connection, so that its own machine decides. */
function alone(config: BreakerConfig) {
  const clock = createManualClock();
  const circuit = new Circuit(
    "api",
    { config, onDisconnect: "LOCAL", maxStalenessMs: 30_000 },
    { clock, random, report() {}, requestDecision() {}, create() {} },
  );
  const permits = new Permits(circuit, {
    ask: () => Promise.reject(new Error("away")),
    report() {},
    requestDecision() {},
  });
  return { circuit, clock, permits };
}

const config: fc.Arbitrary<BreakerConfig> = fc
  .record({
    failureThreshold: fc.integer({ min: 1, max: 6 }),
    failureRate: fc.constantFrom(null, 0.2, 0.5),
    slowCallRate: fc.constantFrom(null, null, 0.5),
    slowCallDurationMs: fc.constant(100),
    windowCalls: fc.integer({ min: 1, max: 12 }),
    windowMs: fc.constantFrom(0, 1000, 7000),
    minimumCalls: fc.integer({ min: 1, max: 12 }),
    timeoutMs: fc.constant(500),
    warmUpMs: fc.constantFrom(0, 0, 800),
  })
  .map((fields) => ({ ...DEFAULT_CONFIG, ...fields }));
const act = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("call" as const),
      outcome: fc.constantFrom<Outcome>("SUCCESS", "SUCCESS", "SUCCESS", "FAILURE", "IGNORED"),
      durationMs: fc.constantFrom(0, 0, 0, 101),
      repeat: fc.constantFrom(1, 3, 20),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1, 49, 50, 300, 1000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("look" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("describe" as const), to: config }) },
);

const tallied = (machine: Machine, settings: BreakerConfig, now: number) =>
  machine.automatic.state === "CLOSED"
    ? [machine.epoch, machine.automatic.failures, tallyOf(machine.automatic, settings, now)]
    : machine;

describe("a client's breaker that counts successes in streaks", () => {
  it("decides and counts as a machine that counts each call when it ends", () => {
    fc.assert(
      fc.property(config, fc.array(act, { maxLength: 40 }), (first, acts) => {
        let settings = first;
        const { circuit, clock, permits } = alone(settings);
        let machine: Machine = circuit.machine;
        let revision = 0n;
        const apply = (event: Event) => {
          const result = step(machine, event, settings, { now: clock.monotonic(), random });
          machine = result.machine;
          return result;
        };
        for (const each of acts) {
          switch (each.do) {
            case "call":
              for (let call = 0; call < each.repeat; call += 1) {
                const { outcome, durationMs } = each;
                const { permit } = apply({ type: "acquire", leaseId: "lease", clientId: "" });
                const given = permits.tryAcquire();
                expect(given !== null).toBe(permit?.allowed);
                if (given === null || !permit?.allowed) continue;
                given.settle(outcome, durationMs);
                const { epoch, leaseId } = permit;
                const slow = durationMs > settings.slowCallDurationMs;
                // Such outcomes are not even counted.
                if (leavesAsIs(machine, epoch, outcome, settings)) continue;
                apply({ type: "outcome", epoch, leaseId, outcome, slow, clientId: "", times: 1 });
              }
              break;
            case "pass":
              clock.advance(each.ms);
              break;
            case "look":
              expect(circuit.status().state).toBe(apply({ type: "tick" }).machine.automatic.state);
              expect(tallied(circuit.machine, settings, clock.monotonic())).toEqual(
                tallied(machine, settings, clock.monotonic()),
              );
              break;
            case "describe": {
              // The service describes the breaker, with another configuration.
              revision += 1n;
              settings = each.to;
              const described: ServiceBreaker = {
                epoch: 1,
                revision,
                createdAt: 1,
                config: settings,
                override: undefined,
                machine: CLOSED,
              };
              circuit.update(described, "change");
              if (revision === 1n) machine = CLOSED;
            }
          }
        }
        expect(tallied(circuit.machine, settings, clock.monotonic())).toEqual(
          tallied(apply({ type: "tick" }).machine, settings, clock.monotonic()),
        );
      }),
      { numRuns: times(300, 3000) },
    );
  });

  it.each([
    ["by default", {}, 0],
    ["with a rate over a number of calls", { failureRate: 0.5 }, 0],
    ["with a rate over a time", { failureRate: 0.5, windowMs: 10_000 }, 1],
    ["if slow calls can open it", { slowCallRate: 0.5, windowMs: 10_000 }, 2],
  ])("%s, reads the clock as often as it must for a successful call", (_, fields, readings) => {
    const { clock, permits } = alone({ ...DEFAULT_CONFIG, ...fields });
    const call = (): void => permits.tryAcquire()?.settle("SUCCESS");
    for (let warm = 0; warm < 3; warm += 1) call();
    const monotonic = vi.spyOn(clock, "monotonic");
    for (let calls = 0; calls < 10; calls += 1) call();
    expect(monotonic.mock.calls.length / 10).toBe(readings);
  });
});
