import type { BreakerState } from "../../../../src/kernel/breakers/machine.ts";
import type { OverrideKind } from "../../../../src/kernel/breakers/policy/holds.ts";

/**
 * What a breaker does while the service is not heard of. `LOCAL`: it goes on by itself, with its own count, timeout and
 * probes. `HOLD_LAST`: it stays as the service left it. `ALLOW` and `REJECT`: all calls. What a human decided holds in all
 * of them.
 */
export type OnDisconnect = "LOCAL" | "HOLD_LAST" | "ALLOW" | "REJECT";

/** How a client stands with a breaker. */
export interface BreakerStatus {
  /** What holds for this client's calls. */
  readonly state: BreakerState;
  /** Whose state that is: the client's own while it is disconnected, or has tripped and not yet heard what the service says. */
  readonly source: "SERVICE" | "LOCAL";
  /** Whether the breaker was heard of within `maxStalenessMs`. */
  readonly connected: boolean;
  /** How long ago it was heard of; absent: never. */
  readonly staleMs: number | undefined;
  /** What a human decided, if it holds. */
  readonly override: OverrideKind | undefined;
  /** When it makes sense to try again; absent where calls pass, and where nobody knows. */
  readonly retryAfterMs: number | undefined;
  /** Outcomes that are not known to have reached the service. */
  readonly unreported: number;
  /** Outcomes that never will: there were too many, or the service refused them. */
  readonly dropped: number;
}
