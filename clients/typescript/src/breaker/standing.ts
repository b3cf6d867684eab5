import { type BreakerState, nextTick } from "../../../../src/kernel/breakers/machine.ts";
import { type Connection, isConnected } from "./connection.ts";
import type { Isolation } from "./isolation.ts";
import { type CircuitMachine, isClosed } from "./machine.ts";
import { NO_EPOCH } from "./pending.ts";
import type { OnDisconnect } from "./status.ts";

/** The states that decide whether calls pass. */
export interface Standing {
  readonly onDisconnect: OnDisconnect;
  readonly connection: Connection;
  readonly machine: CircuitMachine;
  readonly isolation: Isolation;
}

/** The rule for calls, until the standing changes. */
export interface Rule {
  /** Whether every call passes. */
  readonly passesAll: boolean;
  /** Whether outcomes move the circuit's own machine. */
  readonly learns: boolean;
  /** The epoch that outcomes are reported with. */
  readonly epoch: number;
}

export interface View {
  readonly state: BreakerState;
  /** Time in ms after which a retry makes sense. Undefined if calls pass or it is unknown. */
  readonly retryAfterMs: number | undefined;
}

export function ruleOf(standing: Standing): Rule {
  const { onDisconnect, connection, machine } = standing;
  const { service } = machine;
  const isHeard = isConnected(connection);
  const mayLearn = isHeard ? isOpenToAll(standing) : onDisconnect === "LOCAL";
  return {
    passesAll: passesAll(standing),
    learns: service?.override === undefined && mayLearn,
    epoch: isHeard && service !== undefined ? service.epoch : NO_EPOCH,
  };
}

function passesAll(standing: Standing): boolean {
  const { onDisconnect, connection, machine } = standing;
  const override = machine.service?.override;
  if (override !== undefined) return override !== "FORCED_OPEN";
  if (!isConnected(connection) && onDisconnect === "ALLOW") return true;
  if (!isConnected(connection) && onDisconnect === "REJECT") return false;
  return isOpenToAll(standing);
}

const isOpenToAll = ({ machine, isolation }: Standing): boolean =>
  isClosed(machine.machine) && isolation.state === "TOGETHER";

/** Returns the state that applies to calls now. `probeWaitMs`: how long the service is not asked for a probe. */
export function viewOf(standing: Standing, probeWaitMs: number, now: number): View {
  const { onDisconnect, connection, isolation } = standing;
  const { machine, service } = standing.machine;
  const { automatic } = machine;
  const passing = passesAll(standing);
  if (passing || service?.override !== undefined)
    return { state: passing ? "CLOSED" : "OPEN", retryAfterMs: undefined };
  if (!isConnected(connection) && onDisconnect !== "LOCAL") {
    const held = onDisconnect === "HOLD_LAST" && automatic.state === "HALF_OPEN";
    return { state: held ? "HALF_OPEN" : "OPEN", retryAfterMs: undefined };
  }
  if (!isConnected(connection)) return { state: automatic.state, retryAfterMs: (nextTick(machine) ?? now) - now };
  if (isolation.state === "TOGETHER" && automatic.state === "OPEN")
    return { state: "OPEN", retryAfterMs: Math.max(0, automatic.until - now) };
  const left = isolation.state === "ISOLATED" ? Math.max(0, isolation.until - now) : 0;
  return left > 0 ? { state: "OPEN", retryAfterMs: left } : { state: "HALF_OPEN", retryAfterMs: probeWaitMs };
}
