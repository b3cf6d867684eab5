import type { Instance } from "./host/host.ts";

/** An instance that takes no traffic, and what runs in it. */
export interface Candidate {
  readonly name: string;
  readonly instance: Instance;
  readonly modulePath: string;
  readonly version: string;
  /** Of the file, in hex. */
  readonly sha256: string;
  /** Of all code that runs, in hex. */
  readonly artifact: string;
}

/**
 * Tests the candidate of a swap: with a suite, or by the report of an earlier run; an empty text is none. Aborting the
 * signal ends it. `detail` says how it went, for people.
 */
export type Gate = (
  request: { readonly suite: string; readonly run: string },
  candidate: Candidate,
  signal: AbortSignal,
) => Promise<{ readonly passed: boolean; readonly detail: string }>;
