import type { OverrideKind } from "../../../../src/kernel/breakers/policy/holds.ts";
import type { BreakerStatus } from "./status.ts";

/** The error of a call that a breaker rejected. The errors of `call` have no stack trace. */
export class CircuitOpenError extends Error {
  override readonly name = "CircuitOpenError";
  readonly breaker: string;
  /** Time in ms after which a retry makes sense. Undefined if it is unknown. */
  readonly retryAfterMs: number | undefined;
  /** The decision of a person because of which calls are rejected. Undefined: the breaker opened by itself. */
  readonly override: OverrideKind | undefined;

  constructor(breaker: string, { retryAfterMs, override }: Pick<BreakerStatus, "retryAfterMs" | "override">) {
    const when = retryAfterMs === undefined ? "" : `; retry after ${Math.ceil(retryAfterMs)} ms`;
    super(`breaker ${breaker} is open${override === undefined ? "" : ` (${override})`}${when}`);
    this.breaker = breaker;
    this.retryAfterMs = retryAfterMs;
    this.override = override;
  }
}
