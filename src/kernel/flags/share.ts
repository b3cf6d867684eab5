import type { FlagRule, Gradual } from "./rule.ts";

/** A percentage in whole thousandths, the unit of buckets: 25 is 25,000. */
export function thousandths(percentage: number): number {
  return Math.round(percentage * 1000);
}

/**
 * The share of traffic for which the flag's strategy is on at that time, as a percentage. Undefined for a strategy without
 * shares. It does not matter whether the flag is enabled.
 */
export function shareAt(
  rule: Pick<FlagRule, "strategy" | "percentage" | "gradual">,
  nowMs: number,
): number | undefined {
  if (rule.strategy === "PERCENTAGE") return rule.percentage;
  if (rule.strategy === "GRADUAL") return gradualShare(rule.gradual)(nowMs) / 1000;
  return undefined;
}

/** The share over time, in thousandths: `initial + trunc((target - initial) × elapsed / duration)` in doubles. */
export function gradualShare(gradual: Gradual | undefined): (nowMs: number) => number {
  if (gradual === undefined) return () => 0;
  const initial = thousandths(gradual.initialPercentage);
  const target = thousandths(gradual.targetPercentage);
  const { startTime, endTime, pausedAt } = gradual;
  if (startTime === undefined || endTime === undefined) return () => initial;
  const running = (nowMs: number): number => {
    if (nowMs <= startTime) return initial;
    if (nowMs >= endTime) return target;
    return initial + Math.trunc(((target - initial) * (nowMs - startTime)) / (endTime - startTime));
  };
  if (pausedAt === undefined) return running;
  const held = running(pausedAt);
  return () => held;
}
