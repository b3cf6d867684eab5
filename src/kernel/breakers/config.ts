export interface BreakerConfig {
  /** So many failures in a row open it. */
  readonly failureThreshold: number;
  /** How long it stays open before it lets probes through. */
  readonly timeoutMs: number;
  /** Probes that must succeed to close it. */
  readonly successThreshold: number;
  /** Probes that may run at once. */
  readonly probeConcurrency: number;
  /** How long a probe may take. After that it counts as a failure, and another call may probe. */
  readonly probeTimeoutMs: number;
  /** Share of failed calls in the window that opens it, above 0 up to 1. Null: no share of them opens it. */
  readonly failureRate: number | null;
  /** Share of slow calls in the window that opens it, above 0 up to 1. Null: no share of them opens it. */
  readonly slowCallRate: number | null;
  /** A call that takes longer is slow. */
  readonly slowCallDurationMs: number;
  /** The window holds the last calls, so many of them. */
  readonly windowCalls: number;
  /** The window holds the calls of the last so many ms. 0: it holds `windowCalls` calls. */
  readonly windowMs: number;
  /** With fewer calls in the window, no rate opens it. */
  readonly minimumCalls: number;
  /** Each opening after failed probes lasts so many times as long as the one before. From 1. */
  readonly timeoutMultiplier: number;
  /** The longest that such an opening lasts, but at least `timeoutMs`. */
  readonly maxTimeoutMs: number;
  /** The share by which such an opening is longer or shorter at random. From 0 to 1. */
  readonly jitter: number;
  /** The share of `successThreshold` that may fail as probes before it opens again. From 0 to 1. */
  readonly probeFailureRate: number;
  /** It trips only when so many clients have seen the reason. A client that sees it alone is isolated. */
  readonly minReporters: number;
  /** How long after its creation it does not trip. 0: it may trip at once. */
  readonly warmUpMs: number;
}

/** Some fields of a configuration. What is absent has its default. */
export type BreakerConfigFields = { readonly [Key in keyof BreakerConfig]?: BreakerConfig[Key] | undefined };
