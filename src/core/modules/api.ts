/** Writes entries to the service's log, under the module's name. */
export interface ModuleLog {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** For whom a module asks about a flag. */
export interface FlagContext {
  readonly session_id?: string;
  readonly user_id?: string;
  readonly symbol?: string;
  readonly system?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
}

/** What the service gives a module: to its constructor (or factory), and to `start`. */
export interface ModuleContext {
  readonly name: string;
  readonly version: string;
  /** As registered. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly log: ModuleLog;
  readonly flags: {
    /** Whether a flag is on. Rejects where there is no such flag. */
    isEnabled(name: string, context?: FlagContext): Promise<boolean>;
  };
  /**
   * Calls a method of a module that is registered as a dependency; whichever version serves at that moment answers.
   * Rejects with an error whose `code` is the reason, such as MODULE_NOT_LOADED or BREAKER_OPEN.
   */
  call(dependency: string, method: string, input?: unknown): Promise<unknown>;
  /** Aborted when the instance is to stop. */
  readonly signal: AbortSignal;
  readonly clock: {
    /** Wall time in ms. */
    now(): number;
    /** Milliseconds that only ever grow. */
    monotonic(): number;
  };
}

/** The second argument of a method. */
export interface CallContext {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * What a module's class may implement besides its own methods. Every public method can be invoked by name, in camelCase
 * or snake_case, with one input; not `_private` and `#private` ones, accessors, and those below. Inputs and outputs are
 * JSON values, or a Uint8Array. An error that it throws with `callerFault: true` tells that the caller was wrong: the
 * module's breaker does not count it.
 */
export interface HeliosModule {
  /** Every object has it; without it a class that implements none of the others would not fit. */
  toString(): string;
  /** Awaited before the first call. Throwing makes the load fail. */
  start?(ctx: ModuleContext): void | Promise<void>;
  /** Throws while the module is not well. */
  health?(): void | Promise<void>;
  /** Before the next version takes over: what it is to know, as anything that structuredClone takes. */
  exportState?(): unknown;
  /**
   * Takes over from the version before. `schema` is that version's `static stateSchema`, a text or number of its own
   * choice by which the form of its state is told; throwing keeps it serving.
   */
  importState?(
    state: never,
    from: { readonly fromVersion: string; readonly schema: string | number | undefined },
  ): void | Promise<void>;
  /** Awaited before the instance ends. */
  stop?(): void | Promise<void>;
}
