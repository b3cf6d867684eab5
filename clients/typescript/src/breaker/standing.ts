import { type BreakerState, type Machine, nextTick } from "../../../../src/kernel/breakers/breaker.ts";
import type { OverrideKind } from "../../../../src/kernel/breakers/policy/holds.ts";
import type { OnDisconnect } from "./status.ts";

/** All that says whether calls pass. */
export interface Standing {
  /** What a human decided. */
  readonly override: OverrideKind | undefined;
  readonly isConnected: boolean;
  readonly onDisconnect: OnDisconnect;
  /** The service's, or the client's own while it is alone. */
  readonly machine: Machine;
  /** When the service may let this client through again, which it rejects alone. */
  readonly isolatedUntil: number | undefined;
}

export interface View {
  readonly state: BreakerState;
  /** Absent where calls pass, and where nobody knows. */
  readonly retryAfterMs: number | undefined;
}

/** Whether every call passes, until something changes. */
export function passesAll({ override, isConnected, onDisconnect, machine, isolatedUntil }: Standing): boolean {
  if (override !== undefined) return override !== "FORCED_OPEN";
  if (!isConnected && onDisconnect === "ALLOW") return true;
  if (!isConnected && onDisconnect === "REJECT") return false;
  return machine.automatic.state === "CLOSED" && isolatedUntil === undefined;
}

/** What holds for calls now; `probeWaitMs`: how long the service is not asked for a probe. */
export function viewOf(standing: Standing, probeWaitMs: number, now: number): View {
  const { override, isConnected, onDisconnect, machine, isolatedUntil } = standing;
  const { automatic } = machine;
  const passing = passesAll(standing);
  if (passing || override !== undefined) return { state: passing ? "CLOSED" : "OPEN", retryAfterMs: undefined };
  if (!isConnected && onDisconnect !== "LOCAL") {
    const held = onDisconnect === "HOLD_LAST" && automatic.state === "HALF_OPEN";
    return { state: held ? "HALF_OPEN" : "OPEN", retryAfterMs: undefined };
  }
  if (!isConnected) return { state: automatic.state, retryAfterMs: (nextTick(machine) ?? now) - now };
  const until = isolatedUntil ?? (automatic.state === "OPEN" ? automatic.until : undefined);
  const left = Math.max(0, (until ?? now) - now);
  const isOpen = left > 0 || (isolatedUntil === undefined && automatic.state === "OPEN");
  return isOpen ? { state: "OPEN", retryAfterMs: left } : { state: "HALF_OPEN", retryAfterMs: probeWaitMs };
}
