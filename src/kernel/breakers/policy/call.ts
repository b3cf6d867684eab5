import type { BreakerConfig } from "../config.ts";

/** An outcome that shows something about the dependency. */
export interface Call {
  readonly failed: boolean;
  /** Whether it took longer than `slowCallDurationMs`. */
  readonly slow: boolean;
  /** The client that made the call. Empty: the service itself, whose outcomes count for all clients. */
  readonly clientId: string;
}

/** The counts of a window. */
export interface Tally {
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
}

export const NOTHING: Tally = { calls: 0, failures: 0, slow: 0 };

/** A client that saw a reason to open, and the last place in the window where it did. */
export interface Reporter {
  readonly clientId: string;
  readonly at: number;
}

const NOBODY: readonly Reporter[] = [];

/** Whether the call counts towards a rate that opens. */
export function isBad({ failed, slow }: Call, { failureRate, slowCallRate }: BreakerConfig): boolean {
  return (failed && failureRate !== null) || (slow && slowCallRate !== null);
}

/** The clients that saw a reason to open, the latest first. At most as many as are needed to trip. */
export function seenBy(
  reporters: readonly Reporter[],
  clientId: string,
  at: number,
  { minReporters }: BreakerConfig,
): readonly Reporter[] {
  if (minReporters === 1) return NOBODY;
  return [{ clientId, at }, ...reporters.filter((reporter) => reporter.clientId !== clientId)].slice(0, minReporters);
}

/** Whether enough clients saw a reason to open after `after`. A reason that the service itself saw is enough. */
export function isSeenByEnough(
  reporters: readonly Reporter[],
  { clientId, failed, slow }: Call,
  after: number,
  { minReporters }: BreakerConfig,
): boolean {
  if (minReporters === 1 || (clientId === "" && (failed || slow))) return true;
  const last = reporters[minReporters - 1];
  return last !== undefined && last.at > after;
}
