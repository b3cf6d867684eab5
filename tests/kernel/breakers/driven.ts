import fc from "fast-check";
import { step } from "../../../src/kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../src/kernel/breakers/config.ts";
import {
  CLOSED,
  type Event,
  effectiveState,
  type Machine,
  type Outcome,
  type Permit,
  type Step,
} from "../../../src/kernel/breakers/machine.ts";
import { DEFAULT_CONFIG } from "../../../src/kernel/breakers/policy/defaults.ts";
import { type OverrideKind, withHold } from "../../../src/kernel/breakers/policy/holds.ts";

export const CONFIG: BreakerConfig = {
  ...DEFAULT_CONFIG,
  failureThreshold: 3,
  timeoutMs: 1000,
  successThreshold: 2,
  probeConcurrency: 1,
  probeTimeoutMs: 500,
};

/** A machine whose events are given by the test. */
export function driven(config: Partial<BreakerConfig> = {}) {
  let settings = { ...CONFIG, ...config };
  let machine: Machine = CLOSED;
  let now = 0;
  let calls = 0;
  const happened: string[] = [];
  const apply = (event: Event) => {
    const result = step(machine, event, settings, { now, random: () => 0.5 });
    machine = result.machine;
    happened.push(...result.transitions.map(({ action }) => action));
    return result;
  };
  const outcomes = (epoch: number, outcome: Outcome, times: number, leaseId?: string) =>
    apply({ type: "outcome", epoch, leaseId, outcome, times, slow: false, clientId: "" });
  const override = (kind: OverrideKind) =>
    apply({ type: "hold", holds: withHold(machine.holds, { id: kind, kind, action: "SetBreakerOverride", time: 0 }) });
  const acquire = (): Permit => {
    const { permit } = apply({ type: "acquire", leaseId: `lease-${++calls}`, clientId: "" });
    if (permit === undefined) throw new Error("no permit");
    return permit;
  };
  const report = (permit: Permit, outcome: "SUCCESS" | "FAILURE" | "IGNORED") => {
    if (!permit.allowed) throw new Error("not allowed");
    return outcomes(permit.epoch, outcome, 1, permit.leaseId);
  };
  const fail = (times: number): void => {
    for (let count = 0; count < times; count += 1) report(acquire(), "FAILURE");
  };
  return {
    acquire,
    report,
    fail,
    apply,
    outcomes,
    override,
    happened,
    configure: (changed: Partial<BreakerConfig>) => {
      settings = { ...settings, ...changed };
    },
    advance: (ms: number) => {
      now += ms;
      return apply({ type: "tick" });
    },
    get state() {
      return effectiveState(machine);
    },
    get machine() {
      return machine;
    },
    get now() {
      return now;
    },
  };
}

export type Act =
  | { do: "acquire" }
  | { do: "report"; which: number; outcome: "SUCCESS" | "FAILURE" | "IGNORED" }
  | { do: "advance"; ms: number }
  | { do: "forceOpen" }
  | { do: "reset" };

export const anyAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ do: "acquire" } as const) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("report" as const),
      which: fc.nat(30),
      outcome: fc.constantFrom("SUCCESS" as const, "FAILURE" as const, "IGNORED" as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 1, max: 1500 }) }) },
  { weight: 1, arbitrary: fc.constantFrom({ do: "forceOpen" } as const, { do: "reset" } as const) },
);
export const anySettings = fc.record({
  failureThreshold: fc.integer({ min: 1, max: 4 }),
  successThreshold: fc.integer({ min: 1, max: 4 }),
  probeConcurrency: fc.integer({ min: 1, max: 4 }),
});

/** Takes one step, and returns what happened to a report. */
export function take(breaker: ReturnType<typeof driven>, permits: Permit[], act: Act): Step | undefined {
  switch (act.do) {
    case "acquire":
      permits.push(breaker.acquire());
      return undefined;
    case "advance":
      breaker.advance(act.ms);
      return undefined;
    case "report": {
      const permit = permits[act.which % Math.max(1, permits.length)];
      return permit?.allowed ? breaker.report(permit, act.outcome) : undefined;
    }
    case "forceOpen":
      breaker.override("FORCED_OPEN");
      return undefined;
    case "reset":
      breaker.apply({ type: "reset" });
      return undefined;
  }
}
