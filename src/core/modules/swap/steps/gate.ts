import type { Generation } from "../../calls/generation/generation.ts";
import type { Trial } from "../../calls/generation/trial.ts";
import type { Instance } from "../../host/types/host.ts";

/** Code to be tested, and the module that it belongs to. */
export interface Subject {
  readonly name: string;
  readonly modulePath: string;
  readonly version: string;
  /** The SHA-256 of the file, in hex. */
  readonly sha256: string;
  /** The SHA-256 of all code that runs, in hex. */
  readonly artifact: string;
}

/** An instance that tests run on, and the code that runs in it: one without traffic, or the one that serves. */
export interface TestedInstance extends Subject {
  readonly instance: Instance;
  /** Its calls go to the instances that were started with this generation. */
  readonly generation?: Generation | undefined;
}

/** The new version of a swap. */
export interface GateSubject extends Subject {
  /** The modules of the same swap that it calls, directly or through each other. */
  readonly peers: readonly string[];
  /**
   * Starts an instance of the same code, so that no test touches the instance that is to serve. Also starts an instance of
   * each peer, which is called instead of the peer's version that serves. The calls of each instance stay within its trial.
   * All of them are stopped after the gate. Rejects with the errors of `load`.
   */
  start(trialOf: (module: string) => Trial): Promise<TestedInstance>;
}

/**
 * Tests the new version of a swap, with a suite or by the report of an earlier run. One of `suite` and `run` may be empty.
 * Aborting the signal ends the tests. `detail` is a text for people.
 */
export type Gate = (
  request: { readonly suite: string; readonly run: string },
  subject: GateSubject,
  signal: AbortSignal,
) => Promise<{ readonly passed: boolean; readonly detail: string }>;

export function testedInstance(name: string, generation: Generation): TestedInstance {
  const { modulePath, version, sha256, artifact } = generation.running;
  return { name, instance: generation.instance, generation, modulePath, version, sha256, artifact };
}
