import fc from "fast-check";
import { step } from "../../../src/kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../src/kernel/breakers/config.ts";
import { CLOSED, type Event, type Machine, type Outcome, type Step } from "../../../src/kernel/breakers/machine.ts";
import { DEFAULT_CONFIG } from "../../../src/kernel/breakers/policy/defaults.ts";
import { type Hold, type OverrideKind, withHold, withoutHold } from "../../../src/kernel/breakers/policy/holds.ts";
import { times } from "../../effort.ts";

const CLIENTS = ["", "a", "b", "c"];
const KINDS: readonly OverrideKind[] = ["FORCED_OPEN", "FORCED_CLOSED", "DISABLED", "METRICS_ONLY"];
export const OUTCOMES: readonly Outcome[] = ["SUCCESS", "FAILURE", "IGNORED"];

export const anyConfig: fc.Arbitrary<BreakerConfig> = fc
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
  .map((fields) => ({ ...DEFAULT_CONFIG, ...fields }));

type Act =
  | { readonly do: "acquire"; readonly client: string }
  | {
      readonly do: "report";
      /** Selects one of the permits so far. Some were reported before. */
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

/** Drives a machine like a service without timers: only a `tick` or another event makes time take effect. */
export function world(config: BreakerConfig) {
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
    /** The result of the act. Undefined: the act is not an event of the machine. */
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

/** Half-open is the most delicate state, so many sequences begin there. */
const HALF_OPEN: readonly Act[] = [{ do: "trip" }, { do: "advance", ms: 2000 }, { do: "tick" }];
export const acts = fc
  .tuple(fc.boolean(), fc.array(anyAct, { maxLength: 120 }))
  .map(([isHalfOpen, all]) => [...(isHalfOpen ? HALF_OPEN : []), ...all]);
export const RUNS = { numRuns: times(400, 5000) };
