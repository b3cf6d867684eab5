import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { step } from "../../../src/kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../src/kernel/breakers/config.ts";
import {
  CLOSED,
  type Event,
  type Machine,
  type Outcome,
  passesAll,
  rejectionAt,
} from "../../../src/kernel/breakers/machine.ts";
import { DEFAULT_CONFIG } from "../../../src/kernel/breakers/policy/defaults.ts";
import { type Hold, withHold, withoutHold } from "../../../src/kernel/breakers/policy/holds.ts";
import { emptyTime, indexAt, PARTS, partEnd } from "../../../src/kernel/breakers/policy/time-window.ts";
import { Streak } from "../../../src/kernel/breakers/streak.ts";
import { acts, anyConfig, OUTCOMES, RUNS, world } from "./acts.ts";

type Reported = Extract<Event, { type: "outcome" }>;

const random = () => 0.25;
const isPlain = ({ outcome, slow, leaseId, times }: Reported): boolean =>
  outcome === "SUCCESS" && !slow && leaseId === undefined && times === 1;

/** A machine that counts each call when it comes: the plain model. */
function plain(config: BreakerConfig, start: Machine) {
  let machine = start;
  return {
    apply(event: Event, now: number) {
      const result = step(machine, event, config, { now, random });
      machine = result.machine;
      return result.transitions.map(({ action }) => action);
    },
    configure(changed: BreakerConfig) {
      return plain(changed, machine);
    },
    read: () => machine,
  };
}

/** The same with a streak, as its owners use it. */
function streaky(config: BreakerConfig, start: Machine, streak = new Streak()) {
  let machine = start;
  let saved = 0;
  const read = (): Machine => {
    const { calls: times, since: now } = streak;
    streak.end();
    if (times === 0) return machine;
    const { epoch } = machine;
    const event = { type: "outcome", epoch, outcome: "SUCCESS", slow: false, clientId: "", times } as const;
    const result = step(machine, event, config, { now, random });
    expect([result.transitions, result.late ?? 0]).toEqual([[], 0]);
    machine = result.machine;
    return machine;
  };
  return {
    apply(event: Event, now: number) {
      const mayJoin = event.type === "outcome" && isPlain(event);
      if (mayJoin && streak.add(event.epoch, now)) {
        saved += 1;
        return [];
      }
      const result = step(read(), event, config, { now, random });
      machine = result.machine;
      if (mayJoin && event.epoch === machine.epoch) streak.begin(machine, config, now);
      return result.transitions.map(({ action }) => action);
    },
    configure(changed: BreakerConfig) {
      return streaky(changed, read(), streak);
    },
    read,
    get saved() {
      return saved;
    },
  };
}

/**
 * The machine with a count window as the plain list of its calls. Runs of calls that were added together are stored in other
 * pieces, and the number of the first call is arbitrary.
 */
function plainly(machine: Machine): unknown {
  const { automatic } = machine;
  if (automatic.state !== "CLOSED" || automatic.window?.kind !== "COUNT") return machine;
  const { old, young, tally } = automatic.window;
  const expand = (run: typeof old): string[][] =>
    run === undefined ? [] : [Array(run.count).fill(`${run.failed} ${run.slow}`), ...expand(run.next)];
  const calls = [...expand(old), ...expand(young).reverse()].flat();
  return { ...machine, automatic: { ...automatic, window: { tally, calls } } };
}

const NO_REPORTERS = anyConfig.map((config) => ({ ...config, minReporters: 1 }));
const HOLD: Hold = { id: "x", kind: "METRICS_ONLY", action: "SetBreakerOverride", time: 0 };

const call = fc.record({
  do: fc.constant("call" as const),
  outcome: fc.constantFrom("SUCCESS" as const, "SUCCESS" as const, "SUCCESS" as const, ...OUTCOMES),
  slow: fc.constantFrom(false, false, false, true),
  repeat: fc.constantFrom(1, 1, 2, 5, 20),
  times: fc.constantFrom(1, 1, 1, 1, 3),
  staleBy: fc.constantFrom(0, 0, 0, 0, 1),
  client: fc.constantFrom("", "", "a", "b"),
});
const doing = fc.oneof(
  { weight: 20, arbitrary: call },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1, 10, 49.9, 50, 400, 1000, 2500) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("configure" as const), to: NO_REPORTERS }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("reset" as const, "trip" as const, "forget" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("hold" as const, "unhold" as const, "read" as const) }) },
);

describe("a machine whose successes are counted in streaks", () => {
  it("makes the same transitions at the same events, and is equal whenever it is read", () => {
    const start = fc.record({
      warmUntil: fc.constantFrom(undefined, 300, 1500),
      beginsAt: fc.constantFrom(0, 1e7 / 3),
    });
    let saved = 0;
    fc.assert(
      fc.property(NO_REPORTERS, start, fc.array(doing, { maxLength: 80 }), (config, { warmUntil, beginsAt }, all) => {
        const first = warmUntil === undefined ? CLOSED : { ...CLOSED, warmUntil: beginsAt + warmUntil };
        let now = beginsAt;
        let model = plain(config, first);
        let subject = streaky(config, first);
        const both = (event: Event): void => expect(subject.apply(event, now)).toEqual(model.apply(event, now));
        for (const act of all) {
          const { epoch } = model.read();
          switch (act.do) {
            case "call":
              for (let count = 0; count < act.repeat; count += 1) {
                const { outcome, slow, times, staleBy, client: clientId } = act;
                both({ type: "outcome", epoch: epoch - staleBy, outcome, slow, clientId, times });
              }
              break;
            case "pass":
              now += act.ms;
              break;
            case "configure":
              saved += subject.saved;
              model = model.configure(act.to);
              subject = subject.configure(act.to);
              break;
            case "read":
              expect(plainly(subject.read())).toEqual(plainly(model.read()));
              break;
            case "hold":
            case "unhold": {
              const changed = (holds: readonly Hold[]): readonly Hold[] =>
                act.do === "hold" ? withHold(holds, { ...HOLD, until: now + 700 }) : withoutHold(holds, HOLD.id);
              const [ours, theirs] = [subject, model].map((one) =>
                one.apply({ type: "hold", holds: changed(one.read().holds) }, now),
              );
              expect(ours).toEqual(theirs);
              break;
            }
            default:
              both({ type: act.do });
          }
        }
        expect(plainly(subject.read())).toEqual(plainly(model.read()));
        saved += subject.saved;
      }),
      RUNS,
    );
    expect(saved).toBeGreaterThan(0);
  });

  it("counts most successes of a healthy dependency in streaks, under every policy", () => {
    // Two parts of the window, if it is one of time. No policy opens at one failure of 20 calls.
    const mild = { failureThreshold: 2, failureRate: 0.5, slowCallRate: null, minimumCalls: 15, windowCalls: 100 };
    const config = NO_REPORTERS.map((any) => ({ ...any, ...mild }));
    fc.assert(
      fc.property(config, fc.constantFrom(20, 1000), (settings, every) => {
        const subject = streaky(settings, CLOSED);
        for (let count = 0; count < 200; count += 1) {
          const outcome = count % every === every - 1 ? "FAILURE" : "SUCCESS";
          subject.apply({ type: "outcome", epoch: 1, outcome, slow: false, clientId: "", times: 1 }, count / 2);
        }
        expect(subject.saved).toBeGreaterThan(170);
      }),
      RUNS,
    );
  });

  it("never changes a machine that somebody has read", () => {
    fc.assert(
      fc.property(NO_REPORTERS, fc.array(call, { maxLength: 60 }), (config, all) => {
        const subject = streaky(config, CLOSED);
        const seen: { readonly machine: Machine; readonly was: Machine }[] = [];
        for (const [at, { outcome, slow, repeat }] of all.entries()) {
          const machine = subject.read();
          seen.push({ machine, was: structuredClone(machine) });
          const { epoch } = machine;
          for (let count = 0; count < repeat; count += 1)
            subject.apply({ type: "outcome", epoch, outcome, slow, clientId: "", times: 1 }, at * 30);
        }
        for (const { machine, was } of seen) expect(machine).toEqual(was);
      }),
      RUNS,
    );
  });
});

describe("a streak", () => {
  const RATE: BreakerConfig = { ...DEFAULT_CONFIG, failureRate: 0.5, minimumCalls: 4, windowCalls: 10 };
  const counted = (config: BreakerConfig, outcomes: readonly Outcome[], first: Machine = CLOSED, clientId = "") =>
    outcomes.reduce((machine, outcome) => {
      const event = { type: "outcome", epoch: machine.epoch, outcome, slow: false, clientId, times: 1 } as const;
      return step(machine, event, config, { now: 0, random }).machine;
    }, first);
  /** How many of 100 successes a streak accepts that begins with this machine. */
  const accepted = (machine: Machine, config: BreakerConfig, at = 0): number => {
    const streak = new Streak();
    streak.begin(machine, config, 0);
    let calls = 0;
    while (calls < 100 && streak.add(machine.epoch, at)) calls += 1;
    return calls;
  };

  it("ends before the call that completes the least number of calls, if the rate is reached then", () => {
    expect(accepted(counted(RATE, ["FAILURE", "FAILURE", "SUCCESS"]), RATE)).toBe(0);
    expect(accepted(counted({ ...RATE, minimumCalls: 6 }, ["FAILURE", "FAILURE", "FAILURE", "SUCCESS"]), RATE)).toBe(0);
    expect(accepted(counted(RATE, ["FAILURE", "SUCCESS"]), RATE)).toBe(100);
    const six = { ...RATE, minimumCalls: 6 };
    expect(accepted(counted(six, ["FAILURE", "FAILURE", "FAILURE", "SUCCESS"]), six)).toBe(1);
  });

  it("does not begin if a lower rate was configured that the next success would reach", () => {
    const [F, S] = ["FAILURE", "SUCCESS"] as const;
    const before = { ...RATE, failureRate: 0.6, failureThreshold: 100 };
    // The next success pushes a success out of the window, so that half of the calls have still failed.
    const full = counted(before, [S, S, S, S, F, F, F, F, F, S]);
    expect([accepted(full, before), accepted(full, RATE)]).toEqual([100, 0]);
  });

  it("ends when the warm-up does, because a rate may have been reached meanwhile", () => {
    const cold = counted(RATE, ["FAILURE", "FAILURE", "FAILURE", "FAILURE", "SUCCESS"], { ...CLOSED, warmUntil: 50 });
    expect([accepted(cold, RATE, 49), accepted(cold, RATE, 50)]).toEqual([100, 0]);
  });

  it("accepts none while a hold stands, while several clients must see a fault, and after a trip", () => {
    const healthy = counted(RATE, ["SUCCESS"]);
    expect(accepted(healthy, RATE)).toBe(100);
    expect(accepted({ ...healthy, holds: [HOLD] }, RATE)).toBe(0);
    const several = { ...RATE, minReporters: 2 };
    expect(accepted(healthy, several)).toBe(0);
    // What the clients saw under the earlier configuration still stands in the window.
    expect(accepted(counted(RATE, ["SUCCESS"], counted(several, ["FAILURE"], CLOSED, "a")), RATE)).toBe(0);
    const open = counted({ ...RATE, failureThreshold: 1 }, ["FAILURE"]);
    expect([open.automatic.state, accepted(open, RATE)]).toEqual(["OPEN", 0]);
  });

  it("ends within the part of a window of time in which it began, however numbers are rounded", () => {
    const spans = fc.record({ windowMs: fc.double({ min: 1, max: 1e8, noNaN: true }), part: fc.nat(1e6) });
    fc.assert(
      fc.property(spans, ({ windowMs, part }) => {
        const end = partEnd({ ...emptyTime(windowMs), index: part });
        expect(end).toBeLessThanOrEqual(((part + 1) * windowMs) / PARTS);
        const last = end * (1 - Number.EPSILON);
        expect(indexAt(last, windowMs)).toBe(part);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe("an open breaker", () => {
  it("rejects by rejectionAt as by its machine, whatever happened before", () => {
    fc.assert(
      fc.property(anyConfig, acts, (config, all) => {
        const one = world(config);
        for (const act of all) {
          one.act(act);
          const { machine, now } = one;
          const rejection = rejectionAt(machine, now);
          if (rejection === undefined) continue;
          expect(passesAll(machine)).toBe(false);
          const result = step(machine, { type: "acquire", leaseId: "l", clientId: "a" }, config, { now, random });
          expect(result).toEqual({ machine, transitions: [], permit: rejection });
          expect(result.machine).toBe(machine);
        }
      }),
      RUNS,
    );
  });

  it("rejects by rejectionAt until its timeout, and no longer", () => {
    const machine: Machine = { ...CLOSED, automatic: { state: "OPEN", until: 100, reopenings: 0 } };
    expect(rejectionAt(machine, 99)).toEqual({ allowed: false, epoch: 1, state: "OPEN", retryAfterMs: 1 });
    expect(rejectionAt(machine, 100)).toBeUndefined();
    expect(rejectionAt({ ...machine, holds: [HOLD] }, 99)).toBeUndefined();
    expect(rejectionAt(CLOSED, 0)).toBeUndefined();
  });
});
