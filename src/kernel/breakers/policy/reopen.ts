import type { BreakerConfig } from "../config.ts";

/** How long the `reopenings`-th opening after the first lasts at the longest. */
export function longestOpenMs(config: BreakerConfig, reopenings: number): number {
  const { timeoutMs, timeoutMultiplier, jitter } = config;
  if (reopenings === 0) return timeoutMs;
  // An exponent that great makes it infinite, which the cap takes.
  return Math.min(cap(config), timeoutMs * timeoutMultiplier ** reopenings * (1 + jitter));
}

/** How long it lasts: the first for the timeout, each further one longer, give or take the jitter. */
export function openMs(config: BreakerConfig, reopenings: number, random: () => number): number {
  const { timeoutMs, timeoutMultiplier, jitter } = config;
  if (reopenings === 0) return timeoutMs;
  const backedOff = Math.min(cap(config), timeoutMs * timeoutMultiplier ** reopenings);
  if (jitter === 0) return backedOff;
  return Math.min(cap(config), backedOff * (1 - jitter + 2 * jitter * random()));
}

const cap = ({ timeoutMs, maxTimeoutMs }: BreakerConfig): number => Math.max(timeoutMs, maxTimeoutMs);
