import type { BreakerState } from "../../../../src/kernel/breakers/machine.ts";
import type { OverrideKind } from "../../../../src/kernel/breakers/policy/holds.ts";

/**
 * What a breaker does if no frame of the service has arrived for `maxStalenessMs`. `LOCAL`: it continues by itself, with its own counts, timeout and
 * probes. `HOLD_LAST`: it stays in the state in which the service left it. `ALLOW`: it lets all calls through. `REJECT`: it
 * rejects all calls. A decision of a person takes precedence over all of these.
 */
export type OnDisconnect = "LOCAL" | "HOLD_LAST" | "ALLOW" | "REJECT";

/** A breaker as this client sees it. */
export interface BreakerStatus {
  /** The state that applies to this client's calls. */
  readonly state: BreakerState;
  /** `LOCAL` while the client is disconnected, and after a trip of its own machine until the service has answered. */
  readonly source: "SERVICE" | "LOCAL";
  /** Whether the service sent something within `maxStalenessMs`. */
  readonly connected: boolean;
  /** Time in ms since the service sent something. Undefined: it has never sent anything. */
  readonly staleMs: number | undefined;
  /** The decision of a person, if there is one. */
  readonly override: OverrideKind | undefined;
  /** Time in ms after which a retry makes sense. Undefined if calls pass or it is unknown. */
  readonly retryAfterMs: number | undefined;
  /** Outcomes that are not known to have reached the service. */
  readonly unreported: number;
  /** Outcomes that will never reach the service, because there were too many or the service refused them. */
  readonly dropped: number;
}
