/** When a module that crashed is started again. */
export interface RestartPolicy {
  /** The wait before the first restart; each further one within the window waits `factor` times as long. */
  readonly baseDelayMs: number;
  readonly factor: number;
  /** Restarts within the window; one more is not made. */
  readonly maxRestarts: number;
  readonly windowMs: number;
}

export const RESTART_POLICY: RestartPolicy = Object.freeze({
  baseDelayMs: 200,
  factor: 2,
  maxRestarts: 5,
  windowMs: 60_000,
});

/**
 * How long to wait before the next restart; undefined: the budget is spent (Erlang's restart intensity).
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

/** Those that still count. */
export function recentRestarts(
  restarts: readonly number[],
  now: number,
  policy: RestartPolicy = RESTART_POLICY,
): readonly number[] {
  return restarts.filter((time) => now - time < policy.windowMs);
}
