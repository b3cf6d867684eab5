import { effectiveState, type Machine } from "./breaker.ts";
import type { Breaker, BreakerResource } from "./breakers.ts";
import type { BreakerCounts } from "./counts.ts";
import type { TransitionRecord } from "./record.ts";

/** A breaker as it is at a monotonic time: its machine leads, what is stored follows. */
export function describe(resource: BreakerResource, { machine, transition, counts, monotonic }: Present): Breaker {
  const { automatic, epoch, forcedOpen } = machine;
  const { config, override } = resource.record;
  const waits = automatic.state === "OPEN" && !forcedOpen;
  return {
    resource,
    name: resource.name,
    config,
    state: effectiveState(machine),
    automaticState: automatic.state,
    override,
    epoch,
    transition,
    counts: {
      ...counts,
      consecutiveFailures: automatic.state === "CLOSED" ? automatic.failures : 0,
      consecutiveSuccesses: automatic.state === "HALF_OPEN" ? automatic.successes : 0,
    },
    retryAfterMs: waits ? Math.max(0, automatic.until - monotonic) : undefined,
    probes: automatic.state === "HALF_OPEN" ? automatic.leases.length : 0,
  };
}

interface Present {
  readonly machine: Machine;
  readonly transition: TransitionRecord;
  readonly counts: BreakerCounts;
  readonly monotonic: number;
}

/** A breaker as it was when that was stored, but for its counts. */
export function describeStored(resource: BreakerResource, counts: BreakerCounts): Breaker {
  const { config, state, epoch, openUntil = 0, override, transition } = resource.record;
  const waits = state === "OPEN" && override === undefined;
  return {
    resource,
    name: resource.name,
    config,
    state: override === undefined ? state : "OPEN",
    automaticState: state,
    override,
    epoch,
    transition,
    counts: { ...counts, consecutiveFailures: 0, consecutiveSuccesses: 0 },
    retryAfterMs: waits ? Math.max(0, openUntil - resource.updateTime) : undefined,
    probes: 0,
  };
}
