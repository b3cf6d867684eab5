import type { OverrideKind } from "../../../../src/kernel/breakers/policy/holds.ts";
import type { BreakerStatus } from "./status.ts";

/** A breaker rejected the call. */
export class CircuitOpenError extends Error {
  override readonly name = "CircuitOpenError";
  readonly breaker: string;
  /** When to try again; undefined where nobody knows. */
  readonly retryAfterMs: number | undefined;
  /** What a human decided, where that is why calls are rejected. */
  readonly override: OverrideKind | undefined;

  constructor(breaker: string, { retryAfterMs, override }: Pick<BreakerStatus, "retryAfterMs" | "override">) {
    const when = retryAfterMs === undefined ? "" : `; retry after ${Math.ceil(retryAfterMs)} ms`;
    super(`breaker ${breaker} is open${override === undefined ? "" : ` (${override})`}${when}`);
    this.breaker = breaker;
    this.retryAfterMs = retryAfterMs;
    this.override = override;
  }
}
