import { effectiveState, type Machine } from "../../../kernel/breakers/breaker.ts";
import { decisive } from "../../../kernel/breakers/policy/holds.ts";
import { tallyOf } from "../../../kernel/breakers/policy/trip.ts";
import type { IsolatedClient } from "../clients/isolation.ts";
import { type BothTimes, type TransitionRecord, toMachine, toStoredHold } from "../record.ts";
import type { Breaker, BreakerResource } from "../types.ts";
import type { BreakerCounts } from "./counts.ts";

interface Present {
  readonly machine: Machine;
  readonly transition: TransitionRecord;
  readonly counts: BreakerCounts;
  readonly isolatedClients: readonly IsolatedClient[];
  readonly now: BothTimes;
}

/** A breaker as it is: its machine leads, what is stored follows. */
export function describe(resource: BreakerResource, present: Present): Breaker {
  const { machine, transition, counts, isolatedClients, now } = present;
  const { automatic, epoch } = machine;
  const holds = machine.holds.map((hold) => toStoredHold(hold, now));
  const override = decisive(holds);
  const waits = automatic.state === "OPEN" && override === undefined;
  const { config } = resource.record;
  const hasRates = config.failureRate !== null || config.slowCallRate !== null;
  const window = hasRates && automatic.state === "CLOSED" ? tallyOf(automatic, config, now.monotonic) : undefined;
  return {
    resource,
    name: resource.name,
    config,
    state: effectiveState(machine),
    automaticState: automatic.state,
    override,
    holds,
    epoch,
    transition,
    counts: {
      ...counts,
      consecutiveFailures: automatic.state === "CLOSED" ? automatic.failures : 0,
      consecutiveSuccesses: automatic.state === "HALF_OPEN" ? automatic.successes : 0,
      window,
    },
    retryAfterMs: waits ? Math.max(0, automatic.until - now.monotonic) : undefined,
    probes: automatic.state === "HALF_OPEN" ? automatic.leases.length : 0,
    reopenings: automatic.state === "CLOSED" ? 0 : automatic.reopenings,
    isolatedClients,
  };
}

/** A breaker as it was when that was stored, but for its counts. */
export function describeStored(resource: BreakerResource, counts: BreakerCounts): Breaker {
  const { record, updateTime } = resource;
  const now = { wall: updateTime, monotonic: 0 };
  const machine = toMachine(record, now);
  const described = describe(resource, { machine, transition: record.transition, counts, isolatedClients: [], now });
  if (record.state !== "HALF_OPEN") return described;
  // What goes on from it would be OPEN and due; what was stored is not.
  const state = described.override === undefined ? record.state : described.state;
  return { ...described, state, automaticState: record.state, retryAfterMs: undefined };
}
