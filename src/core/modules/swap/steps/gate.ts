import type { Generation } from "../../calls/generation.ts";
import type { Trial } from "../../calls/trial.ts";
import type { Instance } from "../../host/types/host.ts";

/** Code that is to be tested, and of which module. */
export interface Subject {
  readonly name: string;
  readonly modulePath: string;
  readonly version: string;
  /** Of the file, in hex. */
  readonly sha256: string;
  /** Of all code that runs, in hex. */
  readonly artifact: string;
}

/** An instance that takes no traffic, and what runs in it. */
export interface Candidate extends Subject {
  readonly instance: Instance;
  /** What its calls are made for: they stay with those that were started with it. */
  readonly generation?: Generation | undefined;
}

/** The new version of a swap. */
export interface GateSubject extends Subject {
  /** The modules that are replaced with it, and that it calls, itself or by others of them. */
  readonly peers: readonly string[];
  /**
   * Starts an instance as the one that is to serve is, but apart from that: no test touches what serves later. Beside it
   * starts one of each peer, which is called instead of what serves. What each of them calls stays within its trial, and
   * all of them are stopped after the gate. As `load` rejects.
   */
  start(trialOf: (module: string) => Trial): Promise<Candidate>;
}

/**
 * Tests the new version of a swap: with a suite, or by the report of an earlier run; an empty text names none. Aborting the
 * signal ends it. `detail` says how it went, for people.
 */
export type Gate = (
  request: { readonly suite: string; readonly run: string },
  subject: GateSubject,
  signal: AbortSignal,
) => Promise<{ readonly passed: boolean; readonly detail: string }>;

export function candidateOf(name: string, generation: Generation): Candidate {
  const { modulePath, version, sha256, artifact } = generation.running;
  return { name, instance: generation.instance, generation, modulePath, version, sha256, artifact };
}
