import type { BreakerConfig } from "../../../kernel/breakers/config.ts";
import { type BreakerState, effectiveState, type Machine } from "../../../kernel/breakers/machine.ts";
import type { Tally } from "../../../kernel/breakers/policy/call.ts";
import { decisive } from "../../../kernel/breakers/policy/holds.ts";
import { tallyOf } from "../../../kernel/breakers/policy/trip.ts";
import type { IsolatedClient } from "../clients/isolation.ts";
import {
  type BothTimes,
  type BreakerHold,
  type BreakerResource,
  type TransitionRecord,
  toMachine,
  toStoredHold,
} from "../record.ts";
import type { BreakerCounts } from "./counts.ts";

/** A breaker as it is now. */
export interface Breaker {
  readonly resource: BreakerResource;
  readonly name: string;
  readonly config: BreakerConfig;
  /** The state that applies to calls. */
  readonly state: BreakerState;
  /** The state of the automatic machine, without regard to the override. */
  readonly automaticState: BreakerState;
  /** The strongest hold, which overrides the automatic state. Undefined if there is no hold. */
  readonly override: BreakerHold | undefined;
  /** All holds, oldest first. */
  readonly holds: readonly BreakerHold[];
  readonly epoch: number;
  /** The last change of state. It may not be stored yet. */
  readonly transition: TransitionRecord;
  readonly counts: BreakerCounts & {
    readonly consecutiveFailures: number;
    readonly consecutiveSuccesses: number;
    /** The calls that rates are computed from. Undefined if no rate is configured, or the breaker is not closed. */
    readonly window: Tally | undefined;
  };
  /** How long calls will still be rejected. Undefined if it is not open, or if only a person can let calls through. */
  readonly retryAfterMs: number | undefined;
  /** Probes in progress. */
  readonly probes: number;
  /** How often it opened again since it was last closed. */
  readonly reopenings: number;
  /** By id. */
  readonly isolatedClients: readonly IsolatedClient[];
}

/** The present state, which may be ahead of the stored one. */
interface Present {
  readonly machine: Machine;
  readonly transition: TransitionRecord;
  readonly counts: BreakerCounts;
  readonly isolatedClients: readonly IsolatedClient[];
  readonly now: BothTimes;
}

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

/** A breaker as it was when it was stored, but with the given counts. */
export function describeStored(resource: BreakerResource, counts: BreakerCounts): Breaker {
  const { record, updateTime } = resource;
  const now = { wall: updateTime, monotonic: 0 };
  const machine = toMachine(record, now);
  const described = describe(resource, { machine, transition: record.transition, counts, isolatedClients: [], now });
  if (record.state !== "HALF_OPEN") return described;
  // `toMachine` makes HALF_OPEN an OPEN that is due; this describes the stored state.
  const state = described.override === undefined ? record.state : described.state;
  return { ...described, state, automaticState: record.state, retryAfterMs: undefined };
}
