import type { BreakerConfig } from "./config.ts";
import { decisive, type Hold, nextExpiry, type OverrideKind, standing } from "./policy/holds.ts";
import { exceeds } from "./policy/rate.ts";
import { openMs } from "./policy/reopen.ts";
import { addCall, callsToTrip, type Evidence, NO_EVIDENCE, trips } from "./policy/trip.ts";

// The state machine of a circuit breaker (Nygard, Release It!), shared by many clients: pure, so that every client and
// a simulation decide exactly as the service does. Times are monotonic milliseconds.

/** How a call went. IGNORED says nothing of the dependency: cancelled by its caller, wrong input, never sent. */
export type Outcome = "SUCCESS" | "FAILURE" | "IGNORED";

export type BreakerState = "CLOSED" | "OPEN" | "HALF_OPEN";

/** A probe that is under way. */
export interface Lease {
  readonly id: string;
  readonly expiresAt: number;
  readonly clientId: string;
}

export type Automatic =
  | ({ readonly state: "CLOSED" } & Evidence)
  | {
      readonly state: "OPEN";
      readonly until: number;
      /** How often it opened again since it was closed last. */
      readonly reopenings: number;
    }
  | {
      readonly state: "HALF_OPEN";
      readonly successes: number;
      readonly failures: number;
      readonly reopenings: number;
      readonly leases: readonly Lease[];
    };

export interface Machine {
  /** Raised by every transition; an outcome of another epoch changes nothing. */
  readonly epoch: number;
  readonly automatic: Automatic;
  /** What humans decided; the automatic state runs on beneath. */
  readonly holds: readonly Hold[];
  /** Before this time it does not trip. */
  readonly warmUntil?: number | undefined;
}

export type Event =
  /** A call asks to go ahead; `leaseId` is its own, should it become a probe. */
  | { readonly type: "acquire"; readonly leaseId: string; readonly clientId: string }
  /** So many calls of one epoch, one after the other, went so; a lease is of one call. */
  | {
      readonly type: "outcome";
      readonly epoch: number;
      readonly leaseId?: string | undefined;
      readonly outcome: Outcome;
      readonly slow: boolean;
      readonly clientId: string;
      readonly times: number;
    }
  /** A call that had a permit never started. */
  | { readonly type: "release"; readonly epoch: number; readonly leaseId?: string | undefined }
  /** A client is gone: none of its probes will report. */
  | { readonly type: "lost"; readonly clientId: string }
  /** Time has passed. */
  | { readonly type: "tick" }
  /** What humans decided is now this. */
  | { readonly type: "hold"; readonly holds: readonly Hold[] }
  /** What was counted speaks for nothing any more. */
  | { readonly type: "forget" }
  /** Something else than its own counts speaks for opening. */
  | { readonly type: "trip" }
  | { readonly type: "reset" };

export type Transition =
  | "Trip"
  /** As `Trip`, where a human wants to know and not to reject. */
  | "WouldTrip"
  | "HalfOpen"
  | "Close"
  | "Reopen"
  | "LeaseExpired"
  | "ClientLost"
  | "HoldExpired"
  | "SetBreakerOverride"
  | "ResetBreaker";

export type Permit =
  | { readonly allowed: true; readonly epoch: number; readonly leaseId?: string; readonly override?: OverrideKind }
  | {
      readonly allowed: false;
      readonly epoch: number;
      readonly state: BreakerState;
      /** The human's decision, if it is what rejects. */
      readonly override?: OverrideKind;
      /** Whether it rejects this client alone. */
      readonly isolated?: true;
      /** Absent where only a human can end the rejection. */
      readonly retryAfterMs?: number;
    };

/** When something happens, and by what chance. */
export interface Moment {
  readonly now: number;
  /** From 0 up to 1. */
  readonly random: () => number;
}

export interface Step {
  readonly machine: Machine;
  /** In order; usually none. */
  readonly transitions: readonly { readonly action: Transition; readonly machine: Machine }[];
  /** The answer to `acquire`. */
  readonly permit?: Permit;
  /** How many calls of an `outcome` changed nothing, since their epoch or their lease had ended. */
  readonly late?: number;
  /** How many leases ended without an outcome; each is a failure. */
  readonly expired?: number;
}

const NONE: Step["transitions"] = [];

export const CLOSED: Machine = {
  epoch: 1,
  automatic: { state: "CLOSED", ...NO_EVIDENCE },
  holds: [],
};

/** The override that holds, if one does. */
export function overrideOf({ holds }: Machine): OverrideKind | undefined {
  return decisive(holds)?.kind;
}

/** What holds for calls: the override, if there is one, else the automatic state. */
export function effectiveState(machine: Machine): BreakerState {
  return shownState(machine.automatic.state, overrideOf(machine));
}

/** What holds for calls where that is the automatic state and that the override. */
export function shownState(automatic: BreakerState, override: OverrideKind | undefined): BreakerState {
  if (override === undefined) return automatic;
  return override === "FORCED_OPEN" ? "OPEN" : "CLOSED";
}

/** Whether every call goes ahead, now and later, with `{ allowed: true, epoch, override }` for its permit. */
export function passesAll(machine: Machine): boolean {
  const override = overrideOf(machine);
  if (override === "DISABLED") return true;
  return machine.automatic.state === "CLOSED" && override !== "FORCED_OPEN";
}

/** Whether an outcome is counted and leaves the machine as it is, now and later: so do those of a healthy dependency. */
export function leavesAsIs(
  { automatic, epoch, holds }: Machine,
  epochOfCall: number,
  outcome: Outcome,
  { failureRate, slowCallRate }: BreakerConfig,
): boolean {
  if (automatic.state !== "CLOSED" || epochOfCall !== epoch || holds.length > 0) return false;
  if (outcome !== "SUCCESS") return outcome === "IGNORED";
  return automatic.failures === 0 && failureRate === null && slowCallRate === null;
}

/** When the machine wants to be ticked; undefined: not before something else happens. */
export function nextTick({ automatic, holds }: Machine): number | undefined {
  const due = nextExpiry(holds) ?? Number.POSITIVE_INFINITY;
  if (automatic.state === "OPEN") return Math.min(due, automatic.until);
  const leases = automatic.state === "HALF_OPEN" ? automatic.leases : [];
  const next = leases.reduce((soonest, { expiresAt }) => Math.min(soonest, expiresAt), due);
  return next === Number.POSITIVE_INFINITY ? undefined : next;
}

/** What becomes of the machine by an event. Whatever was due before happens first. */
export function step(before: Machine, event: Event, config: BreakerConfig, moment: Moment): Step {
  const ticked = tick(before, config, moment);
  if (event.type === "tick") return ticked;
  const next = happen(ticked.machine, event, config, moment);
  // Nothing was due: by far the most frequent case.
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

/** Probes that are under way get no vote any more. */
function held(action: Transition, { automatic, ...machine }: Machine, holds: readonly Hold[]): Step {
  const frozen: Automatic = automatic.state === "HALF_OPEN" ? { ...automatic, leases: [] } : automatic;
  return transition(action, { ...machine, epoch: machine.epoch + 1, automatic: frozen, holds });
}

function acquire(
  machine: Machine,
  { leaseId, clientId }: Extract<Event, { type: "acquire" }>,
  config: BreakerConfig,
  now: number,
): Step {
  const { epoch, automatic } = machine;
  const override = overrideOf(machine);
  if (override === "FORCED_OPEN") {
    return { ...unchanged(machine), permit: { allowed: false, epoch, state: "OPEN", override } };
  }
  const pass: Permit = { allowed: true, epoch, ...(override === undefined ? {} : { override }) };
  const reject = (retryAt: number): Step => {
    const retryAfterMs = Math.max(0, retryAt - now);
    const rejection: Permit = { allowed: false, epoch, state: automatic.state, retryAfterMs };
    // Whoever would be rejected passes where a human wants it, and has no vote.
    return { ...unchanged(machine), permit: override === undefined ? rejection : pass };
  };
  if (automatic.state === "CLOSED" || override === "DISABLED") return { ...unchanged(machine), permit: pass };
  if (automatic.state === "OPEN") return reject(automatic.until);
  const { successes, leases } = automatic;
  // More probes than are needed to close would only be more calls at risk; but one there must be, even where the
  // threshold was lowered to what has been reached.
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
  // Without a lease such a call was let through by a human alone, or not at all.
  if (freed === undefined)
    return { ...unchanged(machine), late: override === undefined || leaseId !== undefined ? times : 0 };
  // A lease is of one call: what else is said to have had it is late.
  const late = times - 1;
  const unhurt = outcome === "SUCCESS" && !(event.slow && config.slowCallRate !== null);
  if (outcome === "IGNORED") return { ...unchanged({ ...machine, automatic: freed }), late };
  if (!unhurt) return { ...fail(machine, freed, 1, "Reopen", config, moment), late };
  const successes = freed.successes + 1;
  if (successes >= config.successThreshold) return { ...transition("Close", moved(machine, CLOSED.automatic)), late };
  return { ...unchanged({ ...machine, automatic: { ...freed, successes } }), late };
}

/** Calls of a closed breaker. */
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
    // A run is as many single calls, the rest of which comes late.
    const alone = times === 1 && trips(evidence, call, config) ? 1 : undefined;
    const needed = times === 1 ? alone : callsToTrip(automatic, call, times, config, now);
    if (needed !== undefined) return { ...trip(machine, config, moment), late: times - needed };
  }
  // Written out: that of a healthy dependency comes here with each call where a rate is configured.
  const { failures, reporters, window } = evidence;
  const { epoch, holds, warmUntil } = machine;
  return unchanged({ epoch, automatic: { state: "CLOSED", failures, reporters, window }, holds, warmUntil });
}

/** After how many calls of an outcome it trips, if it does so in the course of them. */
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

/** Leases that will not report: each is a failure. */
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

/** Probes failed: it opens again, unless so many may. */
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

/** Undefined where that lease is not out. */
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
