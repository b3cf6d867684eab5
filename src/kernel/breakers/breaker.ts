import type { BreakerConfig } from "./config.ts";
import {
  type AcquireEvent,
  type AcquireStep,
  type Automatic,
  CLOSED,
  type Event,
  type Lease,
  type Machine,
  type Moment,
  overrideOf,
  type Permit,
  type Step,
  type Transition,
} from "./machine.ts";
import { type Hold, standing } from "./policy/holds.ts";
import { exceeds } from "./policy/rate.ts";
import { openMs } from "./policy/reopen.ts";
import { addCall, callsToTrip, trips } from "./policy/trip.ts";

// The state machine of a circuit breaker (Nygard, Release It!). It is pure, so that every client and every simulation decides
// exactly as the service does.

const NONE: Step["transitions"] = [];

/** Returns the machine after an event. Transitions that were due before the event happen first. */
export function step(before: Machine, event: AcquireEvent, config: BreakerConfig, moment: Moment): AcquireStep;
export function step(before: Machine, event: Event, config: BreakerConfig, moment: Moment): Step;
export function step(before: Machine, event: Event, config: BreakerConfig, moment: Moment): Step {
  const ticked = tick(before, config, moment);
  if (event.type === "tick") return ticked;
  const next = happen(ticked.machine, event, config, moment);
  // In most cases no transition is due.
  return ticked.machine === before
    ? next
    : {
        ...ticked,
        ...next,
        transitions: [...ticked.transitions, ...next.transitions],
        expired: (ticked.expired ?? 0) + (next.expired ?? 0),
      };
}

function tick(machine: Machine, config: BreakerConfig, moment: Moment): Step {
  const { now } = moment;
  const holds = standing(machine.holds, now);
  if (holds !== machine.holds) {
    const first = held("HoldExpired", machine, holds);
    const then = tick(first.machine, config, moment);
    return { ...then, transitions: [...first.transitions, ...then.transitions] };
  }
  const { automatic } = machine;
  if (automatic.state === "OPEN" && now >= automatic.until) {
    const { reopenings } = automatic;
    return transition(
      "HalfOpen",
      moved(machine, { state: "HALF_OPEN", successes: 0, failures: 0, reopenings, leases: [] }),
    );
  }
  if (automatic.state !== "HALF_OPEN") return unchanged(machine);
  return lose(machine, "LeaseExpired", ({ expiresAt }) => now >= expiresAt, config, moment);
}

function happen(
  machine: Machine,
  event: Exclude<Event, { type: "tick" }>,
  config: BreakerConfig,
  moment: Moment,
): Step {
  switch (event.type) {
    case "acquire":
      return acquire(machine, event, config, moment.now);
    case "outcome":
      return count(machine, event, config, moment);
    case "release":
      return release(machine, event);
    case "lost":
      return lose(machine, "ClientLost", ({ clientId }) => clientId === event.clientId, config, moment);
    case "hold":
      return event.holds === machine.holds ? unchanged(machine) : held("SetBreakerOverride", machine, event.holds);
    case "forget":
      return unchanged(machine.automatic.state === "CLOSED" ? { ...machine, automatic: CLOSED.automatic } : machine);
    case "trip":
      return isWarm(machine, moment.now) && machine.automatic.state === "CLOSED"
        ? trip(machine, config, moment)
        : unchanged(machine);
    case "reset":
      return transition("ResetBreaker", { ...CLOSED, epoch: machine.epoch + 1 });
  }
}

/** Ends the leases of all probes, so that their outcomes decide nothing. */
function held(action: Transition, { automatic, ...machine }: Machine, holds: readonly Hold[]): Step {
  const frozen: Automatic = automatic.state === "HALF_OPEN" ? { ...automatic, leases: [] } : automatic;
  return transition(action, { ...machine, epoch: machine.epoch + 1, automatic: frozen, holds });
}

function acquire(
  machine: Machine,
  { leaseId, clientId }: AcquireEvent,
  config: BreakerConfig,
  now: number,
): AcquireStep {
  const { epoch, automatic } = machine;
  const override = overrideOf(machine);
  if (override === "FORCED_OPEN") {
    return { ...unchanged(machine), permit: { allowed: false, epoch, state: "OPEN", override } };
  }
  const pass: Permit = { allowed: true, epoch, ...(override === undefined ? {} : { override }) };
  const reject = (retryAt: number): AcquireStep => {
    const retryAfterMs = Math.max(0, retryAt - now);
    const rejection: Permit = { allowed: false, epoch, state: automatic.state, retryAfterMs };
    // The automatic state would reject the call, but an override lets it pass. Its outcome decides nothing.
    return { ...unchanged(machine), permit: override === undefined ? rejection : pass };
  };
  if (automatic.state === "CLOSED" || override === "DISABLED") return { ...unchanged(machine), permit: pass };
  if (automatic.state === "OPEN") return reject(automatic.until);
  const { successes, leases } = automatic;
  // More probes than are needed to close would put more calls at risk. One probe is needed even if the threshold was lowered
  // and is reached already.
  const slots = Math.max(1, Math.min(config.probeConcurrency, config.successThreshold - successes));
  if (leases.length >= slots) return reject(Math.min(...leases.map(({ expiresAt }) => expiresAt)));
  const lease = { id: leaseId, expiresAt: now + config.probeTimeoutMs, clientId };
  return {
    ...unchanged({ ...machine, automatic: { ...automatic, leases: [...leases, lease] } }),
    permit: { ...pass, leaseId },
  };
}

function count(
  machine: Machine,
  event: Extract<Event, { type: "outcome" }>,
  config: BreakerConfig,
  moment: Moment,
): Step {
  const { automatic } = machine;
  const { epoch, leaseId, outcome, times } = event;
  if (epoch !== machine.epoch) return { ...unchanged(machine), late: times };
  const override = overrideOf(machine);
  if (override === "DISABLED") return unchanged(machine);
  if (automatic.state === "CLOSED") {
    if (leaseId !== undefined) return { ...unchanged(machine), late: times };
    return outcome === "IGNORED" ? unchanged(machine) : observe(machine, automatic, event, config, moment);
  }
  const freed = automatic.state === "HALF_OPEN" ? withoutLease(automatic, leaseId) : undefined;
  // A call without a lease was let through by an override. Without an override its outcome comes too late.
  if (freed === undefined)
    return { ...unchanged(machine), late: override === undefined || leaseId !== undefined ? times : 0 };
  // A lease belongs to one call. Other calls that are reported with it count as late.
  const late = times - 1;
  const unhurt = outcome === "SUCCESS" && !(event.slow && config.slowCallRate !== null);
  if (outcome === "IGNORED") return { ...unchanged({ ...machine, automatic: freed }), late };
  if (!unhurt) return { ...fail(machine, freed, 1, "Reopen", config, moment), late };
  const successes = freed.successes + 1;
  if (successes >= config.successThreshold) return { ...transition("Close", moved(machine, CLOSED.automatic)), late };
  return { ...unchanged({ ...machine, automatic: { ...freed, successes } }), late };
}

/** Counts calls of a closed breaker. */
function observe(
  machine: Machine,
  automatic: Extract<Automatic, { state: "CLOSED" }>,
  { outcome, slow, clientId, times }: Extract<Event, { type: "outcome" }>,
  config: BreakerConfig,
  moment: Moment,
): Step {
  const { now } = moment;
  const call = { failed: outcome === "FAILURE", slow, clientId };
  const evidence = addCall(automatic, call, times, config, now);
  if (evidence === automatic) return unchanged(machine);
  if (isWarm(machine, now)) {
    // The calls of a run are counted one by one. Calls after the one that trips are late.
    const alone = times === 1 && trips(evidence, call, config) ? 1 : undefined;
    const needed = times === 1 ? alone : callsToTrip(automatic, call, times, config, now);
    if (needed !== undefined) return { ...trip(machine, config, moment), late: times - needed };
  }
  // Written out for speed, because every call runs this code if a rate is configured.
  const { failures, reporters, window } = evidence;
  const { epoch, holds, warmUntil } = machine;
  return unchanged({ epoch, automatic: { state: "CLOSED", failures, reporters, window }, holds, warmUntil });
}

/** After how many of these equal calls the breaker trips. Undefined if all of them together do not trip it. */
export function callsUntilTrip(
  { automatic, epoch, ...machine }: Machine,
  { outcome, slow, clientId, times, epoch: epochOfCall, leaseId }: Extract<Event, { type: "outcome" }>,
  config: BreakerConfig,
  now: number,
): number | undefined {
  const counts = epochOfCall === epoch && leaseId === undefined && outcome !== "IGNORED" && machine.holds.length === 0;
  if (!counts || automatic.state !== "CLOSED" || !isWarm({ automatic, epoch, ...machine }, now)) return undefined;
  return callsToTrip(automatic, { failed: outcome === "FAILURE", slow, clientId }, times, config, now);
}

const isWarm = ({ warmUntil }: Machine, now: number): boolean => warmUntil === undefined || now >= warmUntil;

function trip(machine: Machine, config: BreakerConfig, moment: Moment): Step {
  const action = overrideOf(machine) === "METRICS_ONLY" ? "WouldTrip" : "Trip";
  return transition(action, opened(machine, 0, config, moment));
}

function release(machine: Machine, { epoch, leaseId }: Extract<Event, { type: "release" }>): Step {
  const { automatic } = machine;
  if (epoch !== machine.epoch || automatic.state !== "HALF_OPEN") return unchanged(machine);
  const freed = withoutLease(automatic, leaseId);
  return unchanged(freed === undefined ? machine : { ...machine, automatic: freed });
}

type HalfOpen = Extract<Automatic, { state: "HALF_OPEN" }>;

/** Ends leases of probes that will not report an outcome. Each counts as a failure. */
function lose(
  machine: Machine,
  action: "LeaseExpired" | "ClientLost",
  isLost: (lease: Lease) => boolean,
  config: BreakerConfig,
  moment: Moment,
): Step {
  const { automatic } = machine;
  if (automatic.state !== "HALF_OPEN") return unchanged(machine);
  const leases = automatic.leases.filter((lease) => !isLost(lease));
  const expired = automatic.leases.length - leases.length;
  if (expired === 0) return unchanged(machine);
  return { ...fail(machine, { ...automatic, leases }, expired, action, config, moment), expired };
}

/** Counts failed probes. The breaker opens again if more have failed than may. */
function fail(
  machine: Machine,
  automatic: HalfOpen,
  times: number,
  action: Transition,
  config: BreakerConfig,
  moment: Moment,
): Step {
  const failures = automatic.failures + times;
  if (!exceeds(failures, config.successThreshold, config.probeFailureRate)) {
    return unchanged({ ...machine, automatic: { ...automatic, failures } });
  }
  return transition(action, opened(machine, automatic.reopenings + 1, config, moment));
}

/** The probe with that lease. Undefined if no probe has it. */
function withoutLease(automatic: HalfOpen, leaseId: string | undefined): HalfOpen | undefined {
  const leases = automatic.leases.filter(({ id }) => id !== leaseId);
  return leases.length === automatic.leases.length ? undefined : { ...automatic, leases };
}

const opened = (machine: Machine, reopenings: number, config: BreakerConfig, { now, random }: Moment): Machine =>
  moved(machine, { state: "OPEN", until: now + openMs(config, reopenings, random), reopenings });

const moved = (machine: Machine, automatic: Automatic): Machine => ({
  ...machine,
  epoch: machine.epoch + 1,
  automatic,
});

const unchanged = (machine: Machine): Step => ({ machine, transitions: NONE });

const transition = (action: Transition, machine: Machine): Step => ({ machine, transitions: [{ action, machine }] });
