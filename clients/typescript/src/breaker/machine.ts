import type { BreakerConfig } from "../../../../src/kernel/breakers/config.ts";
import { CLOSED, type Machine } from "../../../../src/kernel/breakers/machine.ts";
import type { ServiceBreaker } from "./service-breaker.ts";

/** The machine that decides about the calls of a circuit, and its source. */
export type CircuitMachine =
  /** The service has not described this breaker. */
  | { readonly source: "ASSUMED"; readonly machine: Machine; readonly service?: undefined }
  /** The service described it. Calls may have been counted since. */
  | { readonly source: "SERVICE"; readonly machine: Machine; readonly service: ServiceBreaker }
  /** It has made a transition that the service has not described. */
  | { readonly source: "AHEAD"; readonly machine: Machine; readonly service: ServiceBreaker };

/** Returns a new breaker with that configuration. */
export function assumed({ warmUpMs }: BreakerConfig, now: number): CircuitMachine {
  return { source: "ASSUMED", machine: warmUpMs === 0 ? CLOSED : { ...CLOSED, warmUntil: now + warmUpMs } };
}

/** Returns the machine that the service describes. */
export function following(service: ServiceBreaker): CircuitMachine {
  return { source: "SERVICE", machine: service.machine, service };
}

/** Returns the same machine with the service's current configuration and override. */
export function described({ source, machine }: CircuitMachine, service: ServiceBreaker): CircuitMachine {
  return { source: source === "AHEAD" ? "AHEAD" : "SERVICE", machine, service };
}

/** Returns the machine after an event that caused no transition. */
export function advanced({ source, service }: CircuitMachine, machine: Machine): CircuitMachine {
  return service === undefined ? { source: "ASSUMED", machine } : { source, machine, service };
}

/** Returns the machine after a transition that the service has not described. */
export function diverged({ service }: CircuitMachine, machine: Machine): CircuitMachine {
  return service === undefined ? { source: "ASSUMED", machine } : { source: "AHEAD", machine, service };
}

export const isClosed = ({ automatic }: Machine): boolean => automatic.state === "CLOSED";
