/** The rules for restarts of a crashed module. */
export interface RestartPolicy {
  /** The delay before the first restart. Each further restart within the window is delayed `factor` times as long. */
  readonly baseDelayMs: number;
  readonly factor: number;
  /** The number of restarts within the window. */
  readonly maxRestarts: number;
  readonly windowMs: number;
}

/**
 * Time until a crashed module is started again; each further restart within the window waits twice as long. @limit ms
 */
const RESTART_DELAY_MS = 200;
/**
 * Restarts of a module within the window. After one more crash its breaker opens, and it is not restarted
 * automatically. @limit restarts
 */
const MAX_RESTARTS = 5;
/** Window in which the restarts of a crashed module are counted. @limit ms */
const RESTART_WINDOW_MS = 60_000;

export const RESTART_POLICY: RestartPolicy = Object.freeze({
  baseDelayMs: RESTART_DELAY_MS,
  factor: 2,
  maxRestarts: MAX_RESTARTS,
  windowMs: RESTART_WINDOW_MS,
});

/**
 * Returns the delay before the next restart, in ms. Undefined if the restarts are used up (Erlang's restart intensity).
 *
 * @param restarts monotonic times of the restarts so far
 */
export function restartDelay(
  restarts: readonly number[],
  now: number,
  policy: RestartPolicy = RESTART_POLICY,
): number | undefined {
  const recent = recentRestarts(restarts, now, policy).length;
  return recent < policy.maxRestarts ? policy.baseDelayMs * policy.factor ** recent : undefined;
}

/** Returns the restarts within the window. */
export function recentRestarts(
  restarts: readonly number[],
  now: number,
  policy: RestartPolicy = RESTART_POLICY,
): readonly number[] {
  return restarts.filter((time) => now - time < policy.windowMs);
}
