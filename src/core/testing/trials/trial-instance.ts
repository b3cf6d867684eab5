import type { InvokeOptions } from "../../modules/calls/call.ts";
import type { Registration } from "../../modules/record/record.ts";
import type { StandIns } from "../../modules/record/stand-ins.ts";

/** The code that a trial runs, which is remembered after its end. */
export interface TrialCode {
  readonly id: string;
  /** The module's name. Empty: the code is not registered. */
  readonly name: string;
  readonly modulePath: string;
  readonly version: string;
  readonly sha256: string;
  /** The SHA-256 of all code that runs, in hex. */
  readonly artifact: string;
  /** Wall time in ms at which the trial was opened. */
  readonly createTime: number;
}

/** An instance that was started for the tests of a client. */
export interface TrialInstance extends TrialCode {
  /** As the class spells them. */
  readonly methods: readonly string[];
  /** Wall time in ms at which it ends, unless something ends it earlier. */
  readonly expireTime: number;
}

/**
 * For each dependency, `stubs` and `allowDependencies` take precedence over those of the module's registration. Code that is
 * not registered depends on the modules that they name.
 */
export interface TrialOptions extends StandIns {
  /** The path of the file to start. Undefined or empty: the registered file. */
  readonly modulePath?: string | undefined;
  /** The assets of that code. Undefined or empty: the registered ones. */
  readonly assets?: readonly string[] | undefined;
  /** Undefined: the registered configuration. */
  readonly config?: Registration["config"] | undefined;
  /** From 1 ms to 1 h. Default 5 min. */
  readonly ttlMs?: number | undefined;
  /** If it is aborted before the trial is open, the start is cancelled, and `openTrial` rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** ARGUMENT_INVALID for a key: a trial has neither a canary nor a memory of outcomes. */
export interface TrialCallOptions extends InvokeOptions {
  /** The module that the trial must be of. Undefined or empty: any. */
  readonly name?: string | undefined;
}

/** Time that a trial is open, unless its `ttl` says otherwise. @limit ms */
export const DEFAULT_TTL_MS = 300_000;
/** Longest `ttl` of a trial; a longer one is refused with `ARGUMENT_INVALID`. @limit ms */
export const MAX_TTL_MS = 3_600_000;
/**
 * Trials that are open, start or end at once, each with a process of its own; more are refused with
 * `TRIALS_OVERLOADED`. @limit trials
 */
export const TRIALS_AT_ONCE = 8;
/** Trials that have ended whose tests can still be reported; the oldest are forgotten first. @limit trials */
export const MOST_ENDED_TRIALS = 100;
