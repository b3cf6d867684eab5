import { consecutive } from "./policy/consecutive.ts";

// The state machine of a circuit breaker (Nygard, Release It!), shared by many clients: pure, so that every client and
// a simulation decide exactly as the service does. Times are monotonic milliseconds.

/** How a call went. IGNORED says nothing of the dependency: cancelled by its caller, wrong input, never sent. */
export type Outcome = "SUCCESS" | "FAILURE" | "IGNORED";

export type BreakerState = "CLOSED" | "OPEN" | "HALF_OPEN";

export interface BreakerConfig {
  /** Failures in a row that open it. */
  readonly failureThreshold: number;
  /** How long it stays open before it lets probes through. */
  readonly timeoutMs: number;
  /** Probes that must succeed to close it. */
  readonly successThreshold: number;
  /** Probes that may be under way at once. */
  readonly probeConcurrency: number;
  /** How long a probe may take; then its slot is free and it counts as a failure. */
  readonly probeTimeoutMs: number;
}

/** A probe that is under way. */
export interface Lease {
  readonly id: string;
  readonly expiresAt: number;
  readonly clientId: string;
}

export type Automatic =
  | { readonly state: "CLOSED"; readonly failures: number }
  | { readonly state: "OPEN"; readonly until: number }
  | { readonly state: "HALF_OPEN"; readonly successes: number; readonly leases: readonly Lease[] };

export interface Machine {
  /** Raised by every transition; an outcome of another epoch changes nothing. */
  readonly epoch: number;
  readonly automatic: Automatic;
  /** A human's decision, which stands above the automatic state. */
  readonly forcedOpen: boolean;
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
      readonly times: number;
    }
  /** A call that had a permit never started. */
  | { readonly type: "release"; readonly epoch: number; readonly leaseId?: string | undefined }
  /** Time has passed. */
  | { readonly type: "tick" }
  | { readonly type: "forceOpen" }
  | { readonly type: "reset" };

export type Transition = "Trip" | "HalfOpen" | "Close" | "Reopen" | "LeaseExpired" | "OpenBreaker" | "ResetBreaker";

export type Permit =
  | { readonly allowed: true; readonly epoch: number; readonly leaseId?: string }
  | {
      readonly allowed: false;
      readonly epoch: number;
      readonly state: BreakerState;
      /** The human's decision, if it is what rejects. */
      readonly override?: "FORCED_OPEN";
      /** Absent where only a human can end the rejection. */
      readonly retryAfterMs?: number;
    };

export interface Step {
  readonly machine: Machine;
  /** In order; usually none. */
  readonly transitions: readonly { readonly action: Transition; readonly machine: Machine }[];
  /** The answer to `acquire`. */
  readonly permit?: Permit;
  /** How many calls of an `outcome` changed nothing, since their epoch or their lease had ended. */
  readonly late?: number;
  /** How many leases ran out; each is a failure. */
  readonly expired?: number;
}

const NONE: Step["transitions"] = [];

export const CLOSED: Machine = {
  epoch: 1,
  automatic: { state: "CLOSED", failures: consecutive.empty },
  forcedOpen: false,
};

/** What holds for calls: the override, if there is one, else the automatic state. */
export function effectiveState({ forcedOpen, automatic }: Machine): BreakerState {
  return forcedOpen ? "OPEN" : automatic.state;
}

/** Whether every call goes ahead, now and later, with `{ allowed: true, epoch }` for its permit. */
export function passesAll({ automatic, forcedOpen }: Machine): boolean {
  return automatic.state === "CLOSED" && !forcedOpen;
}

/** Whether an outcome is counted and leaves the machine as it is, now and later: so do those of a healthy dependency. */
export function leavesAsIs({ automatic, epoch }: Machine, epochOfCall: number, outcome: Outcome): boolean {
  if (automatic.state !== "CLOSED" || epochOfCall !== epoch) return false;
  return consecutive.add(automatic.failures, outcome, 1) === automatic.failures;
}

/** When the machine wants to be ticked; undefined: not before something else happens. */
export function nextTick({ automatic }: Machine): number | undefined {
  if (automatic.state === "OPEN") return automatic.until;
  if (automatic.state === "CLOSED" || automatic.leases.length === 0) return undefined;
  return Math.min(...automatic.leases.map(({ expiresAt }) => expiresAt));
}

/** What becomes of the machine by an event at `now`. Whatever was due before `now` happens first. */
export function step(before: Machine, event: Event, config: BreakerConfig, now: number): Step {
  const ticked = tick(before, config, now);
  if (event.type === "tick") return ticked;
  const next = happen(ticked.machine, event, config, now);
  // Nothing was due: by far the most frequent case.
  return ticked.machine === before
    ? next
    : { ...ticked, ...next, transitions: [...ticked.transitions, ...next.transitions] };
}

function tick(machine: Machine, config: BreakerConfig, now: number): Step {
  const { automatic } = machine;
  if (automatic.state === "OPEN" && now >= automatic.until) {
    return transition("HalfOpen", moved(machine, { state: "HALF_OPEN", successes: 0, leases: [] }));
  }
  if (automatic.state === "HALF_OPEN") {
    const expired = automatic.leases.filter(({ expiresAt }) => now >= expiresAt).length;
    if (expired > 0) return { ...transition("LeaseExpired", opened(machine, config, now)), expired };
  }
  return unchanged(machine);
}

function happen(machine: Machine, event: Exclude<Event, { type: "tick" }>, config: BreakerConfig, now: number): Step {
  switch (event.type) {
    case "acquire":
      return acquire(machine, event, config, now);
    case "outcome":
      return count(machine, event, config, now);
    case "release":
      return release(machine, event);
    case "forceOpen": {
      const { automatic, forcedOpen } = machine;
      if (forcedOpen) return unchanged(machine);
      // Probes that are under way get no vote any more.
      const frozen: Automatic = automatic.state === "HALF_OPEN" ? { ...automatic, leases: [] } : automatic;
      return transition("OpenBreaker", { epoch: machine.epoch + 1, automatic: frozen, forcedOpen: true });
    }
    case "reset":
      return transition("ResetBreaker", { ...CLOSED, epoch: machine.epoch + 1 });
  }
}

function acquire(
  machine: Machine,
  { leaseId, clientId }: Extract<Event, { type: "acquire" }>,
  config: BreakerConfig,
  now: number,
): Step {
  const { epoch, automatic } = machine;
  const reject = (retryAt: number | undefined): Step => {
    const retry = retryAt === undefined ? {} : { retryAfterMs: Math.max(0, retryAt - now) };
    return { ...unchanged(machine), permit: { allowed: false, epoch, state: automatic.state, ...retry } };
  };
  if (machine.forcedOpen) {
    const permit: Permit = { allowed: false, epoch, state: effectiveState(machine), override: "FORCED_OPEN" };
    return { ...unchanged(machine), permit };
  }
  if (automatic.state === "CLOSED") return { ...unchanged(machine), permit: { allowed: true, epoch } };
  if (automatic.state === "OPEN") return reject(automatic.until);
  const { successes, leases } = automatic;
  // More probes than are needed to close would only be more calls at risk; but one there must be, even where the
  // threshold was lowered to what has been reached.
  const slots = Math.max(1, Math.min(config.probeConcurrency, config.successThreshold - successes));
  if (leases.length >= slots) return reject(nextTick(machine));
  const lease = { id: leaseId, expiresAt: now + config.probeTimeoutMs, clientId };
  return {
    ...unchanged({ ...machine, automatic: { ...automatic, leases: [...leases, lease] } }),
    permit: { allowed: true, epoch, leaseId },
  };
}

function count(
  machine: Machine,
  { epoch, leaseId, outcome, times }: Extract<Event, { type: "outcome" }>,
  config: BreakerConfig,
  now: number,
): Step {
  const { automatic } = machine;
  if (epoch !== machine.epoch || automatic.state === "OPEN") return { ...unchanged(machine), late: times };
  if (automatic.state === "CLOSED") {
    const needed = consecutive.tripsAfter(automatic.failures, outcome, config);
    if (times >= needed) return { ...transition("Trip", opened(machine, config, now)), late: times - needed };
    const failures = consecutive.add(automatic.failures, outcome, times);
    return unchanged(
      failures === automatic.failures ? machine : { ...machine, automatic: { state: "CLOSED", failures } },
    );
  }
  const freed = withoutLease(automatic, leaseId);
  if (freed === undefined) return { ...unchanged(machine), late: times };
  // A lease is of one call: what else is said to have had it is late.
  const late = times - 1;
  if (outcome === "FAILURE") return { ...transition("Reopen", opened(machine, config, now)), late };
  const successes = freed.successes + (outcome === "SUCCESS" ? 1 : 0);
  if (outcome === "SUCCESS" && successes >= config.successThreshold) {
    return { ...transition("Close", moved(machine, CLOSED.automatic)), late };
  }
  return { ...unchanged({ ...machine, automatic: { ...freed, successes } }), late };
}

function release(machine: Machine, { epoch, leaseId }: Extract<Event, { type: "release" }>): Step {
  const { automatic } = machine;
  if (epoch !== machine.epoch || automatic.state !== "HALF_OPEN") return unchanged(machine);
  const freed = withoutLease(automatic, leaseId);
  return unchanged(freed === undefined ? machine : { ...machine, automatic: freed });
}

type HalfOpen = Extract<Automatic, { state: "HALF_OPEN" }>;

/** Undefined where that lease is not out. */
function withoutLease(automatic: HalfOpen, leaseId: string | undefined): HalfOpen | undefined {
  const leases = automatic.leases.filter(({ id }) => id !== leaseId);
  return leases.length === automatic.leases.length ? undefined : { ...automatic, leases };
}

const opened = (machine: Machine, config: BreakerConfig, now: number): Machine =>
  moved(machine, { state: "OPEN", until: now + config.timeoutMs });

const moved = (machine: Machine, automatic: Automatic): Machine => ({
  ...machine,
  epoch: machine.epoch + 1,
  automatic,
});

const unchanged = (machine: Machine): Step => ({ machine, transitions: NONE });

const transition = (action: Transition, machine: Machine): Step => ({ machine, transitions: [{ action, machine }] });
