import type { BreakerConfig } from "../config.ts";

/** An outcome that says something of the dependency. */
export interface Call {
  readonly failed: boolean;
  /** Whether it took longer than `slowCallDurationMs`. */
  readonly slow: boolean;
  /** Who saw it; empty: the service itself, which stands for everybody. */
  readonly clientId: string;
}

/** What a window holds. */
export interface Tally {
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
}

export const NOTHING: Tally = { calls: 0, failures: 0, slow: 0 };

/** A client that saw what speaks for opening, and where in its window that was last. */
export interface Reporter {
  readonly clientId: string;
  readonly at: number;
}

const NOBODY: readonly Reporter[] = [];

/** Whether the call speaks for opening. */
export function isBad({ failed, slow }: Call, { failureRate, slowCallRate }: BreakerConfig): boolean {
  return (failed && failureRate !== null) || (slow && slowCallRate !== null);
}

/** The clients that saw it last, the latest first; as many as are needed to trip. */
export function seenBy(
  reporters: readonly Reporter[],
  clientId: string,
  at: number,
  { minReporters }: BreakerConfig,
): readonly Reporter[] {
  if (minReporters === 1) return NOBODY;
  return [{ clientId, at }, ...reporters.filter((reporter) => reporter.clientId !== clientId)].slice(0, minReporters);
}

/** Whether as many clients as it takes saw it after `after`. What the service itself sees, it sees for everybody. */
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
