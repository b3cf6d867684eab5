import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { completeConfig } from "../../../src/core/breakers/config.ts";
import { readRecord, toMachine, toRecord } from "../../../src/core/breakers/record.ts";
import {
  CLOSED,
  type Event,
  leavesAsIs,
  type Machine,
  nextTick,
  type Outcome,
  overrideOf,
  passesAll,
  type Step,
  step,
} from "../../../src/kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../src/kernel/breakers/config.ts";
import { type Hold, type OverrideKind, withHold, withoutHold } from "../../../src/kernel/breakers/policy/holds.ts";
import { PARTS } from "../../../src/kernel/breakers/policy/time-window.ts";
import { tallyOf } from "../../../src/kernel/breakers/policy/trip.ts";

const CLIENTS = ["", "a", "b", "c"];
const KINDS: readonly OverrideKind[] = ["FORCED_OPEN", "FORCED_CLOSED", "DISABLED", "METRICS_ONLY"];
const OUTCOMES: readonly Outcome[] = ["SUCCESS", "FAILURE", "IGNORED"];

const anyConfig: fc.Arbitrary<BreakerConfig> = fc
  .record({
    failureThreshold: fc.integer({ min: 1, max: 6 }),
    timeoutMs: fc.integer({ min: 1, max: 2000 }),
    successThreshold: fc.integer({ min: 1, max: 4 }),
    probeConcurrency: fc.integer({ min: 1, max: 4 }),
    probeTimeoutMs: fc.integer({ min: 1, max: 1000 }),
    failureRate: fc.constantFrom(null, 0.1, 0.5, 1),
    slowCallRate: fc.constantFrom(null, 0.3, 1),
    windowCalls: fc.integer({ min: 1, max: 12 }),
    windowMs: fc.constantFrom(0, 0, 1000),
    minimumCalls: fc.integer({ min: 1, max: 15 }),
    timeoutMultiplier: fc.constantFrom(1, 2, 10),
    maxTimeoutMs: fc.constantFrom(1, 5000, 600_000),
    jitter: fc.constantFrom(0, 0.5, 1),
    probeFailureRate: fc.constantFrom(0, 0.5, 1),
    minReporters: fc.integer({ min: 1, max: 3 }),
  })
  .map((fields) => completeConfig(fields));

type Act =
  | { readonly do: "acquire"; readonly client: string }
  | {
      readonly do: "report";
      /** Which of the permits so far; some were reported before. */
      readonly which: number;
      readonly outcome: Outcome;
      readonly slow: boolean;
      readonly times: number;
      readonly staleBy: number;
    }
  | { readonly do: "release"; readonly which: number }
  | { readonly do: "lost"; readonly client: string }
  | { readonly do: "hold"; readonly id: string; readonly kind: OverrideKind; readonly ttlMs: number | undefined }
  | { readonly do: "unhold"; readonly id: string }
  | { readonly do: "forget" | "trip" | "reset" | "tick" }
  | { readonly do: "advance"; readonly ms: number };

const client = fc.constantFrom(...CLIENTS);
const id = fc.constantFrom("x", "y");
const anyAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("acquire" as const), client }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("report" as const),
      which: fc.nat(40),
      outcome: fc.constantFrom(...OUTCOMES, "FAILURE" as const),
      slow: fc.boolean(),
      times: fc.constantFrom(1, 1, 1, 2, 7),
      staleBy: fc.constantFrom(0, 0, 0, 1, -1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("release" as const), which: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lost" as const), client }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("hold" as const),
      id,
      kind: fc.constantFrom(...KINDS),
      ttlMs: fc.constantFrom(undefined, 700),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unhold" as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("forget", "trip", "reset", "tick") }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 1, max: 1500 }) }) },
);

interface Known {
  readonly epoch: number;
  readonly leaseId: string | undefined;
  readonly client: string;
}

/** Drives a machine as a service would, without its timers: only a `tick` or another event lets time take effect. */
function world(config: BreakerConfig) {
  let machine: Machine = CLOSED;
  let now = 0;
  let ids = 0;
  const permits: Known[] = [];
  const random = () => 0.25;

  const eventOf = (act: Act): Event | undefined => {
    const permit = "which" in act ? permits[act.which % Math.max(1, permits.length)] : undefined;
    switch (act.do) {
      case "acquire":
        return { type: "acquire", leaseId: `lease-${++ids}`, clientId: act.client };
      case "report": {
        if (permit === undefined) return undefined;
        const { outcome, slow, times } = act;
        const { leaseId, client: clientId } = permit;
        return { type: "outcome", epoch: permit.epoch - act.staleBy, leaseId, outcome, slow, clientId, times };
      }
      case "release":
        return permit && { type: "release", epoch: permit.epoch, leaseId: permit.leaseId };
      case "lost":
        return { type: "lost", clientId: act.client };
      case "hold": {
        const { id: holdId, kind, ttlMs } = act;
        const expiry = ttlMs === undefined ? {} : { ttlMs, until: now + ttlMs };
        const hold: Hold = { id: holdId, kind, action: "SetBreakerOverride", time: now, ...expiry };
        return { type: "hold", holds: withHold(machine.holds, hold) };
      }
      case "unhold":
        return { type: "hold", holds: withoutHold(machine.holds, act.id) };
      case "advance":
        now += act.ms;
        return undefined;
      default:
        return { type: act.do };
    }
  };

  return {
    random,
    get machine() {
      return machine;
    },
    get now() {
      return now;
    },
    become(other: Machine, at: number): void {
      machine = other;
      now = at;
    },
    apply(event: Event): void {
      machine = step(machine, event, config, { now, random }).machine;
    },
    /** What the act did; undefined: it was none for a machine. */
    act(act: Act): { readonly before: Machine; readonly event: Event; readonly result: Step } | undefined {
      const event = eventOf(act);
      if (event === undefined) return undefined;
      const before = machine;
      const result = step(before, event, config, { now, random });
      machine = result.machine;
      const { permit } = result;
      if (permit?.allowed && event.type === "acquire") {
        permits.push({ epoch: permit.epoch, leaseId: permit.leaseId, client: event.clientId });
      }
      return { before, event, result };
    },
  };
}

/** Half-open is where most can go wrong: many a sequence begins there. */
const HALF_OPEN: readonly Act[] = [{ do: "trip" }, { do: "advance", ms: 2000 }, { do: "tick" }];
const acts = fc
  .tuple(fc.boolean(), fc.array(anyAct, { maxLength: 120 }))
  .map(([isHalfOpen, all]) => [...(isHalfOpen ? HALF_OPEN : []), ...all]);
const RUNS = { numRuns: 2000 };

describe("whatever happens to a breaker", () => {
  it("no more probes are out than may be, over all clients, and no more than are needed to close it", () => {
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

  it("an outcome of another epoch, or of a lease that is not out, decides nothing and is told as late", () => {
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

  it("each transition raises the epoch by one, and nothing else moves it or the state", () => {
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

  it("what a human decided ends by its holder, its own time or a reset, and by nothing else", () => {
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

  it("a call is let through or rejected as its override says", () => {
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

  it("what is said to leave it as it is leaves it, and what is said to pass passes", () => {
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

  it("a dependency that is well again gets its calls back once nobody holds it", () => {
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

  it("one that was stored and read goes on as the one that was stored; half-open, as open and due", () => {
    fc.assert(
      fc.property(anyConfig, acts, acts, (config, all, after) => {
        const one = world(config);
        for (const act of all) one.act(act);
        one.act({ do: "tick" });
        const { machine, now } = one;
        const record = toRecord(machine, config, { action: "Trip", time: 0 }, { monotonic: now, wall: 1e12 });
        const stored: unknown = JSON.parse(JSON.stringify(record));
        const read = toMachine(readRecord("api", stored), { monotonic: now, wall: 1e12 });
        const { automatic } = machine;
        if (automatic.state === "CLOSED")
          expect(read).toEqual({ ...machine, automatic: { state: "CLOSED", failures: 0 } });
        else if (automatic.state === "OPEN") expect(read).toEqual(machine);
        else {
          const { reopenings } = automatic;
          expect(read).toEqual({ ...machine, automatic: { state: "OPEN", until: now, reopenings } });
        }
        if (automatic.state !== "OPEN") return;
        const [saved, restored] = [world(config), world(config)];
        saved.become(machine, now);
        restored.become(read, now);
        for (const act of after) expect(restored.act(act)?.result).toEqual(saved.act(act)?.result);
      }),
      RUNS,
    );
  });
});

describe("a window", () => {
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
  // It never trips, so that the window is all that moves.
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

  it("of calls holds the last ones, and none before", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), calls, (windowCalls, all) => {
        // With a rate of 1 and a million calls as the least, a count window counts as full at its size: one success first.
        const config = completeConfig({ ...never, failureRate: 1, slowCallRate: null, windowCalls });
        fill(config, all, (machine, now, seen) => {
          if (machine.automatic.state !== "CLOSED") return;
          const expected = tallied(seen.slice(-windowCalls));
          expect(tallyOf(machine.automatic, config, now)).toEqual(expected);
        });
      }),
      RUNS,
    );
  });

  it("of time holds all calls of that time but for its first part, and none before, also where none came since", () => {
    const windowMs = 1000;
    const config = completeConfig({ ...never, windowMs });
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

  it("opens it exactly when the plain rules over its calls say so", () => {
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

  it("takes a run of equal calls as each of them by itself, up to the call that trips", () => {
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
