import type { BreakerConfig } from "./config.ts";
import { decisive, type Hold, nextExpiry, type OverrideKind } from "./policy/holds.ts";
import { type Evidence, NO_EVIDENCE } from "./policy/trip.ts";

// The states of a circuit breaker, and the events that change them. Many clients share one breaker. Times are monotonic
// milliseconds.

/**
 * The outcome of a call. IGNORED is for a call that shows nothing about the dependency: its caller stopped waiting, its input
 * was wrong, or it was never sent.
 */
export type Outcome = "SUCCESS" | "FAILURE" | "IGNORED";

export type BreakerState = "CLOSED" | "OPEN" | "HALF_OPEN";

/** A probe in progress. */
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
      /** How often it has opened again since it was last closed. */
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
  /** Each transition raises it. An outcome of a call from another epoch changes nothing. */
  readonly epoch: number;
  readonly automatic: Automatic;
  /** The holds. The automatic state continues to change under them. */
  readonly holds: readonly Hold[];
  /** Before this time it does not trip. */
  readonly warmUntil?: number | undefined;
}

export type Event =
  /** A call asks to go ahead. It gets the lease of that id if it becomes a probe. */
  | { readonly type: "acquire"; readonly leaseId: string; readonly clientId: string }
  /** `times` consecutive calls of one epoch had this outcome. With a lease, `times` is 1. */
  | {
      readonly type: "outcome";
      readonly epoch: number;
      readonly leaseId?: string | undefined;
      readonly outcome: Outcome;
      readonly slow: boolean;
      readonly clientId: string;
      readonly times: number;
    }
  /** A call that had a permit was never started. */
  | { readonly type: "release"; readonly epoch: number; readonly leaseId?: string | undefined }
  /** A client is gone. Its probes will not report an outcome. */
  | { readonly type: "lost"; readonly clientId: string }
  /** Time has passed. */
  | { readonly type: "tick" }
  /** The holds were changed. These replace all earlier ones. */
  | { readonly type: "hold"; readonly holds: readonly Hold[] }
  /** Forgets all counts. */
  | { readonly type: "forget" }
  /** Opens the breaker for another reason than its own counts. */
  | { readonly type: "trip" }
  | { readonly type: "reset" };

export type Transition =
  | "Trip"
  /** The breaker tripped under METRICS_ONLY. Calls still go ahead. */
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
      /** The override, if it is the reason why calls are rejected. */
      readonly override?: OverrideKind;
      /** Only this client is rejected. */
      readonly isolated?: true;
      /** Absent if only a person can let calls through again. */
      readonly retryAfterMs?: number;
    };

/** The time of an event, and its source of random numbers. */
export interface Moment {
  readonly now: number;
  /** From 0 up to 1. */
  readonly random: () => number;
}

export interface Step {
  readonly machine: Machine;
  /** In order; usually empty. */
  readonly transitions: readonly { readonly action: Transition; readonly machine: Machine }[];
  /** The answer to `acquire`. Absent after other events. */
  readonly permit?: Permit;
  /** How many calls of an `outcome` changed nothing because their epoch or their lease had ended. */
  readonly late?: number;
  /** How many leases ended without an outcome. Each counts as a failure. */
  readonly expired?: number;
}

/** A call asks to go ahead. */
export type AcquireEvent = Extract<Event, { type: "acquire" }>;

/** The machine after `acquire`, which it always answers. */
export type AcquireStep = Step & { readonly permit: Permit };

export const CLOSED: Machine = {
  epoch: 1,
  automatic: { state: "CLOSED", ...NO_EVIDENCE },
  holds: [],
};

/** The override that decides, if there is one. */
export function overrideOf({ holds }: Machine): OverrideKind | undefined {
  return decisive(holds)?.kind;
}

/** The state that applies to calls: that of the override if there is one, and otherwise the automatic one. */
export function effectiveState(machine: Machine): BreakerState {
  return shownState(machine.automatic.state, overrideOf(machine));
}

/** The same, for a given automatic state and override. */
export function shownState(automatic: BreakerState, override: OverrideKind | undefined): BreakerState {
  if (override === undefined) return automatic;
  return override === "FORCED_OPEN" ? "OPEN" : "CLOSED";
}

/** Whether every call goes ahead until the next event, with the permit `{ allowed: true, epoch, override }`. */
export function passesAll(machine: Machine): boolean {
  const override = overrideOf(machine);
  if (override === "DISABLED") return true;
  return machine.automatic.state === "CLOSED" && override !== "FORCED_OPEN";
}

/**
 * The answer to every `acquire` at this time, if it is a rejection that leaves the machine unchanged. Undefined: `step` must
 * answer.
 */
export function rejectionAt({ automatic, epoch, holds }: Machine, now: number): Permit | undefined {
  if (automatic.state !== "OPEN" || now >= automatic.until || holds.length > 0) return undefined;
  return { allowed: false, epoch, state: "OPEN", retryAfterMs: automatic.until - now };
}

/** Whether the outcome leaves the machine unchanged, however often it comes. A success of a healthy dependency does. */
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

/** When the machine needs its next `tick`. Undefined: not before another event. */
export function nextTick({ automatic, holds }: Machine): number | undefined {
  const due = nextExpiry(holds) ?? Number.POSITIVE_INFINITY;
  if (automatic.state === "OPEN") return Math.min(due, automatic.until);
  const leases = automatic.state === "HALF_OPEN" ? automatic.leases : [];
  const next = leases.reduce((soonest, { expiresAt }) => Math.min(soonest, expiresAt), due);
  return next === Number.POSITIVE_INFINITY ? undefined : next;
}
