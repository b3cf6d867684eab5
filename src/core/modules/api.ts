/**
 * Writes entries to the service's log, under the module's name. Fields may have any value. Errors keep their name, message,
 * stack and cause. A value that JSON cannot hold becomes a text that describes it.
 */
export interface ModuleLog {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** The caller for whom a module evaluates a flag. */
export interface FlagContext {
  readonly session_id?: string;
  readonly user_id?: string;
  readonly symbol?: string;
  readonly system?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
}

/** The error of a call to another module that failed. */
export interface CallError extends Error {
  /** The reason, such as MODULE_METHOD_FAILED, MODULE_NOT_LOADED or BREAKER_OPEN; see docs/errors.md. */
  readonly code: string;
  /** The metadata of the error, as all callers of the service get them. The property is not enumerable. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Only with MODULE_METHOD_FAILED: the error that the method threw, with its name, message, `code`, cause and JSON members.
   */
  readonly cause?: Error & { readonly code?: string | number };
}

/** The service's interface for a module. The constructor (or factory) and `start` get it. */
export interface ModuleContext {
  readonly name: string;
  readonly version: string;
  /** The configuration in the registration. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The registered data files of the module's code, in the version that belongs to this code. */
  readonly assets: {
    /**
     * Returns the absolute path of an asset, or of a directory with assets, for reading. `path` is its path below the modules
     * root. Throws a RangeError if the module has no asset at that path.
     */
    path(path: string): string;
  };
  readonly log: ModuleLog;
  readonly flags: {
    /** Whether a flag is on. Rejects if the flag does not exist. */
    isEnabled(name: string, context?: FlagContext): Promise<boolean>;
  };
  /**
   * Calls a method of a registered dependency. The version that serves at that moment answers. Rejects with a `CallError`,
   * whose `code` is the reason, such as MODULE_NOT_LOADED or BREAKER_OPEN.
   *
   * While the instance does not serve, it may call only methods without effects, unless the call helps to answer a real
   * caller. Other calls reject with MODULE_FENCED, or in a test with DEPENDENCY_NOT_STUBBED. If the module does not handle
   * such a rejection, or an error that it caused, the instance does not end because of it.
   */
  call(dependency: string, method: string, input?: unknown): Promise<unknown>;
  /**
   * Calls `listener` each time this instance begins to serve: when it is activated, after the switch of a swap, and after a
   * rollback to it. If the instance serves already, `listener` is called at once. From then until it retires, the instance
   * may act of its own accord, so that timers should be started here. If the listener throws, the instance ends. The
   * returned function removes the listener.
   */
  onServe(listener: () => unknown): () => void;
  /**
   * Calls `listener` each time this instance stops serving: at the switch to another version, and before it is unloaded or
   * stopped. Timers should be stopped here. Afterwards the instance may still finish calls, and may serve again. If it has
   * retired already, `listener` is called at once. It is never called for an instance that has never served. An error that
   * the listener throws is logged. The returned function removes the listener.
   */
  onRetire(listener: () => unknown): () => void;
  /** Aborted when the instance must stop. */
  readonly signal: AbortSignal;
  readonly clock: {
    /** The wall time in ms since 1970. */
    now(): number;
    /** A time in ms that never decreases, from an arbitrary start. Use it to measure durations. */
    monotonic(): number;
  };
}

/** The second argument of a method. */
export interface CallContext {
  /** Aborted when no caller waits for the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * The methods that a module's class may implement besides its own.
 *
 * Every public method of the class can be invoked with one input, by its name in camelCase or snake_case. Accessors, the
 * methods below, `_private` and `#private` methods, and methods that a TypeScript file of the artifact declares as `private`
 * or `protected` cannot be invoked.
 *
 * An input or output is a JSON value or a Uint8Array. A value that has no JSON form is converted (a Map to an object, a Set to
 * a list) or refused, as the table in docs/modules.md says.
 *
 * If a method throws an error, the caller gets its `code`, `cause` and JSON members. An error with `callerFault: true` means
 * that the caller made a mistake. The module's breaker ignores it. Its gRPC code is INVALID_ARGUMENT if it is a TypeError,
 * RangeError or SyntaxError or has that `code`, and otherwise FAILED_PRECONDITION.
 *
 * `static pureMethods` of the class lists the methods without effects, in either spelling. Such a method may be called more
 * than once, and by instances that do not serve.
 */
export interface HeliosModule {
  /** Every object has this method. TypeScript accepts a class without the other methods only because this one is listed. */
  toString(): string;
  /** Called and awaited before the first call. If it throws, the load fails. */
  start?(ctx: ModuleContext): void | Promise<void>;
  /**
   * Must throw while the module is unhealthy. It is called before the first call, and then `health_interval` after each of
   * its answers. A module that does not answer in time is unhealthy until it answers.
   */
  health?(): void | Promise<void>;
  /**
   * Returns the state for the next version, before that version takes over. The state may be anything that structuredClone
   * accepts. Instances of classes arrive as plain objects. Objects whose content is private are refused.
   *
   * No method runs at that time, and all calls that the instance made of its own accord have been answered. The calls that
   * this method makes are sent at once. Other calls of the instance wait until it is decided which version serves.
   */
  exportState?(): unknown;
  /**
   * Gets the state of the version before. `schema` is that version's `static stateSchema`: a text or number that identifies
   * the form of its state. If this method throws, the version before continues to serve.
   */
  importState?(
    state: never,
    from: { readonly fromVersion: string; readonly schema: string | number | undefined },
  ): void | Promise<void>;
  /** Called and awaited before the instance ends. */
  stop?(): void | Promise<void>;
}

/** The instance that a suite tests. */
export interface SuiteTarget {
  /** The names of the methods that can be called, as the class spells them. */
  readonly methods: readonly string[];
  /**
   * Calls a method, in either spelling. Resolves to a JSON value or a Uint8Array. Rejects with an error whose `code` is the
   * reason, such as MODULE_METHOD_FAILED or MODULE_METHOD_NOT_FOUND.
   */
  call(method: string, input?: unknown): Promise<unknown>;
  /** Calls the module's health check, if it has one. Rejects if the check fails. */
  health(): Promise<void>;
  /**
   * Returns the calls that the stand-in of a dependency has answered since the test began, in order. It keeps the last
   * 1,000 calls, with at most 4 MiB of inputs. A binary input is replaced by `{ bytes }`, the number of its bytes.
   */
  calls(dependency: string): Promise<readonly { readonly method: string; readonly input: unknown }[]>;
}

/**
 * The stand-ins for the dependencies of the tested module, by the names of the dependencies. A stand-in is either an object
 * with an answer for each method, in either spelling, or the path of a module below the modules root, which is started for
 * the run. An answer is a JSON value, or a function that gets the input. Such a function runs in the suite's process. It may
 * return a promise or bytes, and may throw.
 */
export type SuiteStubs = Readonly<Record<string, string | object>>;

/**
 * The default export of a suite file. A file may instead default-export only the list of tests, and export `stubs` and `allow`
 * by these names. A call of a method that has effects, and is neither stubbed nor allowed, rejects with
 * DEPENDENCY_NOT_STUBBED.
 */
export interface SuiteFile {
  readonly tests: readonly SuiteTest[];
  readonly stubs?: SuiteStubs;
  /** The dependencies whose own methods may be called. Stubbed methods are still answered by their stand-ins. */
  readonly allow?: readonly string[];
}

/**
 * One test of a suite file. The file default-exports a list of tests, or a `SuiteFile`. It runs in a process of its own, with
 * the permissions of a module without grants. Its tests run one after the other.
 */
export interface SuiteTest {
  /** Unique in its file; at most 128 characters. */
  readonly name: string;
  /** What the test proves, for people. At most 1,024 characters. */
  readonly description?: string;
  /** Whether the run fails if this test fails. Default: true. */
  readonly required?: boolean;
  /** The timeout, from 1 to 600,000 ms. Default: 10,000 ms. */
  readonly timeoutMs?: number;
  /**
   * Runs the test. It must throw if the test fails. It may return a JSON value as the test's output. `ctx.signal` is aborted
   * at the timeout, and when the run is cancelled.
   */
  run(module: SuiteTarget, ctx: CallContext): unknown;
}
