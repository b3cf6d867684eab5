import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { step } from "../../../src/kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../src/kernel/breakers/config.ts";
import {
  CLOSED,
  type Event,
  leavesAsIs,
  type Machine,
  nextTick,
  overrideOf,
  passesAll,
} from "../../../src/kernel/breakers/machine.ts";
import { DEFAULT_CONFIG } from "../../../src/kernel/breakers/policy/defaults.ts";
import { PARTS } from "../../../src/kernel/breakers/policy/time-window.ts";
import { tallyOf } from "../../../src/kernel/breakers/policy/trip.ts";
import { acts, anyConfig, OUTCOMES, RUNS, world } from "./acts.ts";

describe("a breaker under any sequence of events", () => {
  it("has no more probes out than allowed, over all clients, and no more than it needs to close", () => {
    fc.assert(
      fc.property(anyConfig, acts, (config, all) => {
        const one = world(config);
        for (const act of all) {
          one.act(act);
          const { automatic } = one.machine;
          if (automatic.state !== "HALF_OPEN") continue;
          expect(automatic.leases.length).toBeLessThanOrEqual(config.probeConcurrency);
          expect(automatic.successes + automatic.leases.length).toBeLessThanOrEqual(config.successThreshold);
        }
      }),
      RUNS,
    );
  });

  it("counts an outcome of another epoch, or of an unknown lease, as late, and decides nothing by it", () => {
    fc.assert(
      fc.property(anyConfig, acts, (config, all) => {
        const one = world(config);
        for (const act of all) {
          one.act({ do: "tick" });
          const done = one.act(act);
          if (done?.event.type !== "outcome") continue;
          const { before, event, result } = done;
          const { automatic } = before;
          const isOut = automatic.state === "HALF_OPEN" && automatic.leases.some(({ id }) => id === event.leaseId);
          const isStale = event.epoch !== before.epoch;
          if (!isStale && (event.leaseId === undefined || isOut)) continue;
          expect(result.machine).toBe(before);
          expect(result.transitions).toEqual([]);
          if (overrideOf(before) !== "DISABLED" || isStale) expect(result.late).toBe(event.times);
        }
      }),
      RUNS,
    );
  });

  it("raises its epoch by one at each transition, and changes epoch and state only then", () => {
    fc.assert(
      fc.property(anyConfig, acts, (config, all) => {
        const one = world(config);
        for (const act of all) {
          const done = one.act(act);
          if (done === undefined) continue;
          const { before, result } = done;
          expect(result.transitions.map(({ machine }) => machine.epoch)).toEqual(
            result.transitions.map((_, index) => before.epoch + index + 1),
          );
          expect(result.machine.epoch).toBe(before.epoch + result.transitions.length);
          if (result.transitions.length === 0) expect(result.machine.automatic.state).toBe(before.automatic.state);
        }
      }),
      RUNS,
    );
  });

  it("ends a hold only by its holder, its own time or a reset", () => {
    fc.assert(
      fc.property(anyConfig, acts, (config, all) => {
        const one = world(config);
        for (const act of all) {
          const done = one.act(act);
          if (done === undefined || act.do === "hold" || act.do === "unhold" || act.do === "reset") continue;
          const stand = done.before.holds.filter(({ until }) => until === undefined || until > one.now);
          expect(done.result.machine.holds).toEqual(stand);
        }
      }),
      RUNS,
    );
  });

  it("lets a call through or rejects it as its override says", () => {
    fc.assert(
      fc.property(anyConfig, acts, (config, all) => {
        const one = world(config);
        for (const act of all) {
          const done = one.act(act);
          const permit = done?.result.permit;
          if (permit === undefined) continue;
          const override = overrideOf(one.machine);
          expect(permit.override).toBe(override);
          if (override !== undefined) expect(permit.allowed).toBe(override !== "FORCED_OPEN");
          else if (one.machine.automatic.state === "CLOSED") expect(permit.allowed).toBe(true);
          if (!permit.allowed && override === undefined) expect(permit.retryAfterMs).toBeGreaterThanOrEqual(0);
        }
      }),
      RUNS,
    );
  });

  it("is unchanged by every outcome that leavesAsIs accepts, and lets a call pass whenever passesAll holds", () => {
    fc.assert(
      fc.property(anyConfig, acts, (config, all) => {
        const one = world(config);
        for (const act of all) {
          one.act(act);
          one.act({ do: "tick" });
          const { machine, now, random } = one;
          for (const outcome of OUTCOMES) {
            if (config.minReporters > 1 || !leavesAsIs(machine, machine.epoch, outcome, config)) continue;
            const event: Event = {
              type: "outcome",
              epoch: machine.epoch,
              outcome,
              slow: false,
              clientId: "",
              times: 3,
            };
            const result = step(machine, event, config, { now, random });
            expect([result.machine, result.late ?? 0]).toEqual([machine, 0]);
          }
          if (!passesAll(machine)) continue;
          const { permit } = step(machine, { type: "acquire", leaseId: "l", clientId: "a" }, config, { now, random });
          const override = overrideOf(machine);
          const pass = { allowed: true, epoch: machine.epoch, ...(override === undefined ? {} : { override }) };
          expect(permit).toEqual(pass);
        }
      }),
      RUNS,
    );
  });

  it("lets calls pass again once the dependency has recovered and no one holds it", () => {
    fc.assert(
      fc.property(anyConfig, acts, (config, all) => {
        const one = world(config);
        for (const act of all) one.act(act);
        for (const hold of ["x", "y"]) one.act({ do: "unhold", id: hold });
        for (let turn = 0; turn < 40 && one.machine.automatic.state !== "CLOSED"; turn += 1) {
          const due = nextTick(one.machine);
          if (due !== undefined && due > one.now) one.act({ do: "advance", ms: due - one.now });
          one.act({ do: "tick" });
          for (let probe = 0; probe < config.successThreshold; probe += 1) {
            const permit = one.act({ do: "acquire", client: "a" })?.result.permit;
            if (!permit?.allowed) break;
            const { epoch, leaseId } = permit;
            const event: Event = {
              type: "outcome",
              epoch,
              leaseId,
              outcome: "SUCCESS",
              slow: false,
              clientId: "a",
              times: 1,
            };
            one.apply(event);
          }
        }
        expect(one.machine.automatic.state).toBe("CLOSED");
      }),
      { numRuns: 300 },
    );
  });
});

describe("the window of a breaker", () => {
  interface Seen {
    readonly at: number;
    readonly failed: boolean;
    readonly slow: boolean;
  }
  const tallied = (calls: readonly Seen[]) => ({
    calls: calls.length,
    failures: calls.filter(({ failed }) => failed).length,
    slow: calls.filter(({ slow }) => slow).length,
  });
  const call = fc.record({ failed: fc.boolean(), slow: fc.boolean(), times: fc.integer({ min: 1, max: 9 }) });
  const gap = fc.constantFrom(0, 0, 1, 10, 49, 50, 51, 300, 999, 1000, 1001, 5000);
  const calls = fc.array(fc.tuple(gap, call), { maxLength: 80 });
  // It never trips, so that only the window changes.
  const never = { failureThreshold: 1_000_000, minimumCalls: 1_000_000, failureRate: 1, slowCallRate: 1 };

  const fill = (
    config: BreakerConfig,
    all: readonly (readonly [number, { failed: boolean; slow: boolean; times: number }])[],
    look: (machine: Machine, now: number, seen: readonly Seen[]) => void,
  ) => {
    let machine: Machine = CLOSED;
    let now = 0;
    const seen: Seen[] = [];
    for (const [ms, { failed, slow, times }] of all) {
      now += ms;
      const outcome = failed ? "FAILURE" : "SUCCESS";
      const event: Event = { type: "outcome", epoch: 1, outcome, slow, clientId: "", times };
      machine = step(machine, event, config, { now, random: () => 0 }).machine;
      for (let count = 0; count < times; count += 1) seen.push({ at: now, failed, slow });
      look(machine, now, seen);
    }
  };

  it("a window of calls contains the latest calls, and none before them", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), calls, (windowCalls, all) => {
        // A full count window is judged even below the minimum of calls. With a rate of 1, one success prevents a trip.
        const config = { ...DEFAULT_CONFIG, ...never, failureRate: 1, slowCallRate: null, windowCalls };
        fill(config, all, (machine, now, seen) => {
          if (machine.automatic.state !== "CLOSED") return;
          const expected = tallied(seen.slice(-windowCalls));
          expect(tallyOf(machine.automatic, config, now)).toEqual(expected);
        });
      }),
      RUNS,
    );
  });

  it("a window of time contains all calls of that time except for its first part, and none before, also after a pause", () => {
    const windowMs = 1000;
    const config = { ...DEFAULT_CONFIG, ...never, windowMs };
    fc.assert(
      fc.property(calls, fc.nat(3000), (all, idle) => {
        fill(config, all, (machine, now, seen) => {
          if (machine.automatic.state !== "CLOSED") return;
          for (const later of [now, now + idle]) {
            const tally = tallyOf(machine.automatic, config, later);
            const all = tallied(seen.filter(({ at }) => at > later - windowMs));
            const sure = tallied(seen.filter(({ at }) => at > later - windowMs + windowMs / PARTS));
            for (const key of ["calls", "failures", "slow"] as const) {
              expect(tally[key]).toBeLessThanOrEqual(all[key]);
              expect(tally[key]).toBeGreaterThanOrEqual(sure[key]);
            }
          }
        });
      }),
      RUNS,
    );
  });

  it("opens the breaker exactly when the plain rules over its calls do", () => {
    const config = anyConfig.map((all) => ({ ...all, windowMs: 0, minReporters: 1 }));
    fc.assert(
      fc.property(config, calls, (settings, all) => {
        const { windowCalls, minimumCalls, failureRate, slowCallRate, failureThreshold } = settings;
        let machine: Machine = CLOSED;
        const seen: Seen[] = [];
        for (const [, { failed, slow }] of all) {
          seen.push({ at: 0, failed, slow });
          const outcome = failed ? "FAILURE" : "SUCCESS";
          const event: Event = { type: "outcome", epoch: 1, outcome, slow, clientId: "", times: 1 };
          machine = step(machine, event, settings, { now: 0, random: () => 0 }).machine;
          const held = tallied(seen.slice(-windowCalls));
          const isEnough = held.calls >= Math.min(minimumCalls, windowCalls);
          const inRow = seen.length - 1 - seen.findLastIndex((one) => !one.failed);
          const opens =
            inRow >= failureThreshold ||
            (isEnough && failureRate !== null && held.failures / held.calls >= failureRate) ||
            (isEnough && slowCallRate !== null && held.slow / held.calls >= slowCallRate);
          expect(machine.automatic.state).toBe(opens ? "OPEN" : "CLOSED");
          if (opens) return;
        }
      }),
      RUNS,
    );
  });

  it("handles a run of equal calls like each of them, up to the call that trips", () => {
    fc.assert(
      fc.property(anyConfig, calls, (config, all) => {
        let [atOnce, singly]: [Machine, Machine] = [CLOSED, CLOSED];
        let now = 0;
        for (const [ms, { failed, slow, times }] of all) {
          now += ms;
          const moment = { now, random: () => 0.5 };
          const outcome = failed ? "FAILURE" : "SUCCESS";
          const event: Event = { type: "outcome", epoch: 1, outcome, slow, clientId: "a", times };
          const run = step(atOnce, event, config, moment);
          atOnce = run.machine;
          let late = 0;
          for (let count = 0; count < times; count += 1) {
            const single = step(singly, { ...event, times: 1 }, config, moment);
            singly = single.machine;
            late += single.late ?? 0;
          }
          expect(atOnce.automatic.state).toBe(singly.automatic.state);
          expect(run.late ?? 0).toBe(late);
          if (atOnce.automatic.state !== "CLOSED" || singly.automatic.state !== "CLOSED") return;
          expect(tallyOf(atOnce.automatic, config, now)).toEqual(tallyOf(singly.automatic, config, now));
          expect(atOnce.automatic.failures).toBe(singly.automatic.failures);
        }
      }),
      RUNS,
    );
  });
});
