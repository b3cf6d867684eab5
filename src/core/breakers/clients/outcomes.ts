import { callsUntilTrip } from "../../../kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../kernel/breakers/config.ts";
import { type Event, type Machine, type Moment, overrideOf, type Step } from "../../../kernel/breakers/machine.ts";
import type { Isolation } from "./isolation.ts";

export type OutcomeEvent = Extract<Event, { type: "outcome" }>;

/** A breaker on which outcomes are counted: a live one, or one of a simulation. */
export interface OutcomeTarget {
  readonly config: BreakerConfig;
  /** The machine that all clients share. */
  readonly machine: Machine;
  /** The machines of single clients. */
  readonly isolation: Isolation;
  /** Moves the shared machine. */
  apply(event: Event, now: number): Step;
  /** Called when a client has been isolated. */
  onIsolated(clientId: string): void;
}

/** Counts outcomes as if they had come one at a time. Returns how many of them are late. */
export function countOutcomes(target: OutcomeTarget, event: OutcomeEvent, moment: Moment): number {
  let late = 0;
  for (let left = event.times; left > 0; ) {
    const times = callsTogether(target, { ...event, times: left }, moment);
    late += countTogether(target, { ...event, times }, moment);
    left -= times;
  }
  return late;
}

/** How many of the outcomes can be counted in one step: up to the call that isolates the client or opens the breaker. */
export function callsTogether(target: OutcomeTarget, event: OutcomeEvent, moment: Moment): number {
  const { machine, isolation, config } = target;
  const { times, clientId, epoch, leaseId } = event;
  if (times === 1 || leaseId !== undefined || !mayIsolate(target) || epoch !== machine.epoch) return times;
  if (isolation.find(clientId, config, moment) !== undefined) return times;
  const shared = callsUntilTrip(machine, event, config, moment.now) ?? times;
  const alone = isolation.callsUntil(event, machine.warmUntil, config, moment) ?? times;
  return Math.min(shared, alone);
}

/** Counts outcomes in one step. Returns how many of them are late. */
export function countTogether(target: OutcomeTarget, event: OutcomeEvent, moment: Moment): number {
  const { config, isolation } = target;
  const isolates = mayIsolate(target);
  if (isolates && event.epoch === target.machine.epoch) {
    const alone = isolation.outcome(event, config, moment);
    if (alone !== undefined) return alone;
  }
  const { transitions, late = 0 } = target.apply(event, moment.now);
  const counts = transitions.length === 0 && late === 0 && target.machine.automatic.state === "CLOSED";
  if (!isolates || !counts) return late;
  const verdict = isolation.observe(event, target.machine.warmUntil, config, moment);
  if (verdict === undefined) return 0;
  target.onIsolated(event.clientId);
  target.apply(verdict, moment.now);
  return 0;
}

/** Whether the outcomes of each client are kept apart. */
function mayIsolate({ config, machine }: OutcomeTarget): boolean {
  return config.minReporters > 1 && overrideOf(machine) === undefined;
}
