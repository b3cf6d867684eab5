/**
 * Writes entries to the service's log, under the module's name. Fields may be anything: errors keep name, message, stack and
 * cause, and what cannot be told as it is becomes a text that says what it is.
 */
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

/** The error of a call that another module did not answer. */
export interface CallError extends Error {
  /** The reason, such as MODULE_METHOD_FAILED, MODULE_NOT_LOADED or BREAKER_OPEN; see docs/errors.md. */
  readonly code: string;
  /** Of the reason, as every caller gets them; not enumerable. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Of MODULE_METHOD_FAILED, what the method threw: its name, message, `code`, cause and JSON members. */
  readonly cause?: Error & { readonly code?: string | number };
}

/** What the service gives a module: to its constructor (or factory), and to `start`. */
export interface ModuleContext {
  readonly name: string;
  readonly version: string;
  /** As registered. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The files that were registered as data of the module's code, in the version that belongs to this code. */
  readonly assets: {
    /**
     * The absolute path, to read from, of an asset or of a directory with assets, by its path below the modules root. Throws a
     * RangeError where the module has none there.
     */
    path(path: string): string;
  };
  readonly log: ModuleLog;
  readonly flags: {
    /** Whether a flag is on. Rejects where there is no such flag. */
    isEnabled(name: string, context?: FlagContext): Promise<boolean>;
  };
  /**
   * Calls a method of a module that is registered as a dependency; whichever version serves at that moment answers.
   * Rejects with a `CallError`, whose `code` is the reason, such as MODULE_NOT_LOADED or BREAKER_OPEN. While the instance does
   * not serve it calls methods without effects alone: others are MODULE_FENCED, in a test DEPENDENCY_NOT_STUBBED, unless
   * the call helps to answer a real caller. Such a refusal, or what is thrown because of it, does not end the instance
   * where nothing handles it.
   */
  call(dependency: string, method: string, input?: unknown): Promise<unknown>;
  /**
   * Calls `listener` each time that this instance begins to serve: when it is activated, after the switch of a swap, and
   * when it serves again because its successor went back. Then, and until it retires, it may act of its own accord: this
   * is where timers start. At once where it serves already. What the listener throws ends the instance. What is returned
   * takes the listener off again.
   */
  onServe(listener: () => unknown): () => void;
  /**
   * Calls `listener` each time that this instance serves no more: at the switch to another version, and before it is
   * unloaded or stopped. It may live on to end its calls, and serve again. This is where timers end. At once where it
   * has retired already; never of one that never served. What the listener throws is logged. What is returned takes the
   * listener off again.
   */
  onRetire(listener: () => unknown): () => void;
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
 * or snake_case, with one input; not `_private` and `#private` ones, those that a TypeScript file of the artifact has as
 * `private` or `protected`, accessors, and those below. Inputs and outputs are JSON values, or a Uint8Array; what JSON has no
 * form for is converted (a Map to an object, a Set to a list) or refused, by the table in docs/modules.md. `code`, `cause`
 * and the JSON members of an error that it throws reach the caller. One with `callerFault: true` tells that the caller was
 * wrong, INVALID_ARGUMENT if it is a TypeError, RangeError or SyntaxError, or has that `code`, else FAILED_PRECONDITION: the
 * module's breaker does not count it. The class's `static pureMethods` lists, in either spelling, those without effects: they
 * may be called more than once, and by what does not serve.
 */
export interface HeliosModule {
  /** Every object has it; without it a class that implements none of the others would not fit. */
  toString(): string;
  /** Awaited before the first call. Throwing makes the load fail. */
  start?(ctx: ModuleContext): void | Promise<void>;
  /**
   * Throws while the module is not well. Asked before the first call, and then `health_interval` after each answer, never
   * twice at once; one that does not answer in time counts as unhealthy until it does.
   */
  health?(): void | Promise<void>;
  /**
   * Before the next version takes over: what it is to know, as anything that structuredClone takes. Objects of classes arrive
   * as plain ones; those that show nothing of what they hold are refused. No method runs meanwhile, and the calls that the
   * instance made of its own accord have been answered. What it calls later waits until it is known who serves; what this
   * method itself calls does not.
   */
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

/** The instance that a suite's test is run on. */
export interface SuiteTarget {
  /** The names that can be called, as the class spells them. */
  readonly methods: readonly string[];
  /**
   * Calls a method, in either spelling; resolves to a JSON value or a Uint8Array. Rejects with an error whose `code` is
   * the reason, such as MODULE_METHOD_FAILED or MODULE_METHOD_NOT_FOUND.
   */
  call(method: string, input?: unknown): Promise<unknown>;
  /** Rejects when its health check, if it has one, fails. */
  health(): Promise<void>;
  /**
   * The calls of a dependency that its stand-in answered since the test began, in order: the last 1,000 at most, with at
   * most 4 MiB of inputs. In the place of bytes there is the number of them, as `{ bytes }`.
   */
  calls(dependency: string): Promise<readonly { readonly method: string; readonly input: unknown }[]>;
}

/**
 * What stands in for the modules that the tested one depends on, by their names: for each what its methods answer, in
 * either spelling; or the path of a module below the root, of which an instance is started for the run. A method answers
 * a JSON value, or is a function that is called with the input and may wait, throw and return bytes; it runs in the suite's
 * process.
 */
export type SuiteStubs = Readonly<Record<string, string | object>>;

/**
 * What a suite file default-exports, if not the list of tests alone; `stubs` and `allow` may also be exports of their own
 * beside a list. What is neither stubbed nor allowed cannot be called, unless it has no effects: DEPENDENCY_NOT_STUBBED.
 */
export interface SuiteFile {
  readonly tests: readonly SuiteTest[];
  readonly stubs?: SuiteStubs;
  /** Dependencies that may be called for real, but for what is stubbed of them. */
  readonly allow?: readonly string[];
}

/**
 * One test of a suite file, which default-exports a list of them, or a `SuiteFile`. The file runs in a process of its own, beside the
 * instance that is tested, and may do no more than a module without grants; its tests run one after the other.
 */
export interface SuiteTest {
  /** Unique in its file; at most 128 characters. */
  readonly name: string;
  /** What it proves; for people. At most 1,024 characters. */
  readonly description?: string;
  /** Whether a run can pass without it. Default true. */
  readonly required?: boolean;
  /** How long it may take, from 1 ms to 600 s. Default 10 s. */
  readonly timeoutMs?: number;
  /**
   * Throws where something else happens than is expected. What it returns is the test's output: a JSON value.
   * `ctx.signal` is aborted when the time is over, or the run is cancelled.
   */
  run(module: SuiteTarget, ctx: CallContext): unknown;
}
