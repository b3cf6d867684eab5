import type { BreakerState } from "../../../../src/kernel/breakers/machine.ts";
import type { OverrideKind } from "../../../../src/kernel/breakers/policy/holds.ts";

/**
 * What a breaker does while the service is not heard of. `LOCAL`: it goes on by itself, with its own counts, timeout and
 * probes. `HOLD_LAST`: it stays in the state in which the service left it. `ALLOW`: it lets all calls through. `REJECT`: it
 * rejects all calls. What a human decided comes before all of these.
 */
export type OnDisconnect = "LOCAL" | "HOLD_LAST" | "ALLOW" | "REJECT";

/** A breaker as this client sees it. */
export interface BreakerStatus {
  /** The state that holds for this client's calls. */
  readonly state: BreakerState;
  /** `LOCAL` while the client is disconnected, and after a trip of its own until the service has answered. */
  readonly source: "SERVICE" | "LOCAL";
  /** Whether the service was heard of within `maxStalenessMs`. */
  readonly connected: boolean;
  /** How long ago it was heard of. Undefined: never. */
  readonly staleMs: number | undefined;
  /** The human's decision, if there is one. */
  readonly override: OverrideKind | undefined;
  /** How long to wait before the next try. Undefined where calls pass, and where nobody knows. */
  readonly retryAfterMs: number | undefined;
  /** Outcomes that are not known to have reached the service. */
  readonly unreported: number;
  /** Outcomes that will never reach it: there were too many, or the service refused them. */
  readonly dropped: number;
}
