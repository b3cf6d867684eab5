export interface BreakerConfig {
  /** Failures in a row that open it. */
  readonly failureThreshold: number;
  /** How long it stays open before it lets probes through. */
  readonly timeoutMs: number;
  /** Probes that must succeed to close it. */
  readonly successThreshold: number;
  /** Probes that may be under way at once. */
  readonly probeConcurrency: number;
  /** How long a probe may take; then its slot is free and it counts as a failure. */
  readonly probeTimeoutMs: number;
  /** Share of failed calls in the window that opens it, above 0 up to 1; null: their share does not. */
  readonly failureRate: number | null;
  /** Share of slow calls in the window that opens it, above 0 up to 1; null: their share does not. */
  readonly slowCallRate: number | null;
  /** A call that takes longer is slow. */
  readonly slowCallDurationMs: number;
  /** The window is of so many calls, the last ones. */
  readonly windowCalls: number;
  /** The window is of the calls of so long; 0: it is of `windowCalls`. */
  readonly windowMs: number;
  /** With fewer calls in the window no rate opens it. */
  readonly minimumCalls: number;
  /** Each opening after a probe that failed lasts so many times as long as the one before. From 1. */
  readonly timeoutMultiplier: number;
  /** The longest that it becomes so; `timeoutMs`, if that is longer. */
  readonly maxTimeoutMs: number;
  /** Those openings are longer or shorter by up to this share, by chance. From 0 to 1. */
  readonly jitter: number;
  /** Share of `successThreshold` that may fail as probes before it opens again. From 0 (none may) to 1. */
  readonly probeFailureRate: number;
  /** It trips only when so many clients saw what speaks for it; a client that sees it alone is isolated. */
  readonly minReporters: number;
  /** For so long after its creation it does not trip; 0: it may at once. */
  readonly warmUpMs: number;
}
