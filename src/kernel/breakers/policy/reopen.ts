import type { BreakerConfig } from "../config.ts";

/** The longest that the `reopenings`-th opening after the first may last. */
export function longestOpenMs(config: BreakerConfig, reopenings: number): number {
  const { timeoutMs, timeoutMultiplier, jitter } = config;
  if (reopenings === 0) return timeoutMs;
  // A large exponent makes this infinite; the cap limits that.
  return Math.min(cap(config), timeoutMs * timeoutMultiplier ** reopenings * (1 + jitter));
}

/** How long it lasts. The first lasts for the timeout, each further one longer, with jitter. */
export function openMs(config: BreakerConfig, reopenings: number, random: () => number): number {
  const { timeoutMs, timeoutMultiplier, jitter } = config;
  if (reopenings === 0) return timeoutMs;
  const backedOff = Math.min(cap(config), timeoutMs * timeoutMultiplier ** reopenings);
  if (jitter === 0) return backedOff;
  return Math.min(cap(config), backedOff * (1 - jitter + 2 * jitter * random()));
}

const cap = ({ timeoutMs, maxTimeoutMs }: BreakerConfig): number => Math.max(timeoutMs, maxTimeoutMs);
