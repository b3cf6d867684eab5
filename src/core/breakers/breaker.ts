import { countFailures } from "./policy/consecutive.ts";

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
  | {
      readonly type: "outcome";
      readonly epoch: number;
      readonly leaseId?: string | undefined;
      readonly outcome: Outcome;
    }
  /** Time has passed. */
  | { readonly type: "tick" }
  | { readonly type: "forceOpen" }
  | { readonly type: "reset" };

export type Transition = "Trip" | "HalfOpen" | "Close" | "Reopen" | "LeaseExpired" | "OpenBreaker" | "ResetBreaker";

export type Permit =
  | { readonly allowed: true; readonly epoch: number; readonly leaseId?: string }
  /** `retryAfterMs` is absent where only a human can end the rejection. */
  | { readonly allowed: false; readonly epoch: number; readonly state: BreakerState; readonly retryAfterMs?: number };

export interface Step {
  readonly machine: Machine;
  /** In order; usually none. */
  readonly transitions: readonly { readonly action: Transition; readonly machine: Machine }[];
  /** The answer to `acquire`. */
  readonly permit?: Permit;
  /** Whether an `outcome` was of the present epoch; a late one was not counted. */
  readonly late?: boolean;
}

export const CLOSED: Machine = { epoch: 1, automatic: { state: "CLOSED", failures: 0 }, forcedOpen: false };

/** What holds for calls: the override, if there is one, else the automatic state. */
export function effectiveState({ forcedOpen, automatic }: Machine): BreakerState {
  return forcedOpen ? "OPEN" : automatic.state;
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
  const { machine } = ticked;
  switch (event.type) {
    case "tick":
      return ticked;
    case "acquire":
      return { ...acquire(machine, event, config, now), transitions: ticked.transitions };
    case "outcome": {
      const counted = count(machine, event, config, now);
      return { ...counted, transitions: [...ticked.transitions, ...counted.transitions] };
    }
    case "forceOpen": {
      if (machine.forcedOpen) return ticked;
      const { automatic } = machine;
      // Probes that are under way get no vote any more.
      const frozen: Automatic = automatic.state === "HALF_OPEN" ? { ...automatic, leases: [] } : automatic;
      return then(ticked, "OpenBreaker", { epoch: machine.epoch + 1, automatic: frozen, forcedOpen: true });
    }
    case "reset":
      return then(ticked, "ResetBreaker", { ...CLOSED, epoch: machine.epoch + 1 });
  }
}

function tick(machine: Machine, config: BreakerConfig, now: number): Step {
  const { automatic } = machine;
  if (automatic.state === "OPEN" && now >= automatic.until) {
    return then({ machine, transitions: [] }, "HalfOpen", moved(machine, halfOpen()));
  }
  if (automatic.state === "HALF_OPEN" && automatic.leases.some(({ expiresAt }) => now >= expiresAt)) {
    return then({ machine, transitions: [] }, "LeaseExpired", moved(machine, open(config, now)));
  }
  return { machine, transitions: [] };
}

function acquire(
  machine: Machine,
  { leaseId, clientId }: Extract<Event, { type: "acquire" }>,
  config: BreakerConfig,
  now: number,
): Step {
  const { epoch, automatic, forcedOpen } = machine;
  const reject = (retryAt?: number): Step => {
    const retry = retryAt === undefined ? {} : { retryAfterMs: Math.max(0, retryAt - now) };
    return { machine, transitions: [], permit: { allowed: false, epoch, state: effectiveState(machine), ...retry } };
  };
  if (forcedOpen) return reject();
  if (automatic.state === "CLOSED") return { machine, transitions: [], permit: { allowed: true, epoch } };
  if (automatic.state === "OPEN") return reject(automatic.until);
  const { successes, leases } = automatic;
  // More probes than are needed to close would only be more calls at risk.
  const slots = Math.min(config.probeConcurrency, config.successThreshold - successes);
  if (leases.length >= slots) return reject(nextTick(machine));
  const lease = { id: leaseId, expiresAt: now + config.probeTimeoutMs, clientId };
  return {
    machine: { ...machine, automatic: { ...automatic, leases: [...leases, lease] } },
    transitions: [],
    permit: { allowed: true, epoch, leaseId },
  };
}

function count(
  machine: Machine,
  { epoch, leaseId, outcome }: Extract<Event, { type: "outcome" }>,
  config: BreakerConfig,
  now: number,
): Step {
  const { automatic } = machine;
  if (epoch !== machine.epoch || automatic.state === "OPEN") return { machine, transitions: [], late: true };
  if (automatic.state === "CLOSED") {
    const failures = countFailures(automatic.failures, outcome);
    if (failures === automatic.failures) return { machine, transitions: [], late: false };
    const counted = { ...machine, automatic: { state: "CLOSED", failures } as const };
    if (failures < config.failureThreshold) return { machine: counted, transitions: [], late: false };
    return { ...then({ machine, transitions: [] }, "Trip", moved(machine, open(config, now))), late: false };
  }
  const leases = automatic.leases.filter(({ id }) => id !== leaseId);
  if (leases.length === automatic.leases.length) return { machine, transitions: [], late: true };
  const freed = { machine, transitions: [] };
  if (outcome === "FAILURE") return { ...then(freed, "Reopen", moved(machine, open(config, now))), late: false };
  const successes = automatic.successes + (outcome === "SUCCESS" ? 1 : 0);
  if (successes >= config.successThreshold) {
    return { ...then(freed, "Close", moved(machine, CLOSED.automatic)), late: false };
  }
  return { machine: { ...machine, automatic: { ...automatic, successes, leases } }, transitions: [], late: false };
}

const halfOpen = (): Automatic => ({ state: "HALF_OPEN", successes: 0, leases: [] });
const open = (config: BreakerConfig, now: number): Automatic => ({ state: "OPEN", until: now + config.timeoutMs });
const moved = (machine: Machine, automatic: Automatic): Machine => ({
  ...machine,
  epoch: machine.epoch + 1,
  automatic,
});

function then(before: Step, action: Transition, machine: Machine): Step {
  return { machine, transitions: [...before.transitions, { action, machine }] };
}
