export interface BreakerConfig {
  /** The number of consecutive failures that opens it. */
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
  /** The number of calls in the window, if it is a window of calls. */
  readonly windowCalls: number;
  /** The length of the window in ms, if it is a window of time. 0: the window holds the last `windowCalls` calls. */
  readonly windowMs: number;
  /** The least number of calls in the window for a rate to open it. */
  readonly minimumCalls: number;
  /** The factor by which each opening after failed probes is longer than the one before. From 1. */
  readonly timeoutMultiplier: number;
  /** The longest that such an opening lasts, but at least `timeoutMs`. */
  readonly maxTimeoutMs: number;
  /** The share by which such an opening is longer or shorter at random. From 0 to 1. */
  readonly jitter: number;
  /** The share of `successThreshold` that may fail as probes before it opens again. From 0 to 1. */
  readonly probeFailureRate: number;
  /** The number of clients that must see a reason to open. If fewer see one, only they are isolated. */
  readonly minReporters: number;
  /** How long after its creation it does not trip. 0: it may trip at once. */
  readonly warmUpMs: number;
}

/** Some fields of a configuration. Absent fields have their defaults. */
export type BreakerConfigFields = { readonly [Key in keyof BreakerConfig]?: BreakerConfig[Key] | undefined };
