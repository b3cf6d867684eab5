import type { LogLevel } from "../../log.ts";

/** How a module's instance is kept apart from the service. */
export type Isolation = "PROCESS" | "THREAD";

/** What the permission model lets a module do beyond reading its own code; nothing unless granted. */
export interface Grants {
  /** Absolute paths that it may read. */
  readonly fsRead: readonly string[];
  /** Absolute paths that it may write. */
  readonly fsWrite: readonly string[];
  readonly net: boolean;
  readonly childProcess: boolean;
}

/** Input and output of a call: a JSON value, or bytes that pass through untouched. */
export type Payload = { readonly json: unknown } | { readonly binary: Uint8Array };

/** A module file that was resolved below the modules root and read once. */
export interface ResolvedModule {
  /** As the caller gave it. */
  readonly modulePath: string;
  /** Absolute, with every link resolved; the modules root, too. */
  readonly file: string;
  readonly root: string;
  /** Hex digest of the file's bytes. */
  readonly sha256: string;
}

/** Everything an instance needs to come to life. */
export interface InstanceSpec {
  /** The module's name; for messages and logs. */
  readonly name: string;
  /** What it is to call itself; empty: the class's `static version`, else `defaultVersion`. */
  readonly version: string;
  readonly defaultVersion: string;
  readonly generation: number;
  readonly module: ResolvedModule;
  readonly isolation: Isolation;
  readonly config: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string>>;
  readonly grants: Grants;
  readonly maxHeapMb: number;
  /** For import and `start(ctx)` together. */
  readonly startTimeoutMs: number;
}

/** What a running instance may ask of the service. Errors are told to the module as errors of its own call. */
export interface InstanceServices {
  log(level: LogLevel, message: string, fields: Record<string, unknown>): void;
  /** `ctx.flags.isEnabled(name, context)`. */
  isFlagEnabled(name: string, context: Readonly<Record<string, unknown>>): boolean;
  /** `ctx.call(dependency, method, input)`; `signal` is aborted when the calling instance ends. */
  call(dependency: string, method: string, input: Payload, signal: AbortSignal): Promise<Payload>;
}

/** What the module's class offers. */
export interface InstanceShape {
  /** Names that can be invoked, as the class spells them, sorted. */
  readonly methods: readonly string[];
  /** The class's `static version`, if it is a string. */
  readonly version: string | undefined;
  readonly hasHealth: boolean;
  /** Both `exportState` and `importState` are there. */
  readonly hasState: boolean;
}

export interface CallOptions {
  /** Ms until the caller gives up: the call then rejects with MODULE_DEADLINE_EXCEEDED. */
  readonly timeoutMs: number;
  /** Aborting it rejects the call with its reason; the module sees it as an aborted `signal`. */
  readonly signal?: AbortSignal;
}

/** How an instance ended. */
export interface Ending {
  /** Whether `stop` was called first. */
  readonly expected: boolean;
  /** For people: `exit code 3`, `killed by SIGKILL`, `out of memory`, `uncaught: TypeError: …`. */
  readonly description: string;
}

/**
 * One living instance of a module. Every method rejects with a `HeliosError`: MODULE_METHOD_NOT_FOUND,
 * MODULE_METHOD_FAILED, MODULE_DEADLINE_EXCEEDED, or MODULE_CRASHED when the instance ends or has ended.
 */
export interface Instance {
  readonly shape: InstanceShape;
  /** Resolves once, when the instance has ended for whatever reason. */
  readonly ended: Promise<Ending>;
  /** `method` as the class spells it or in snake_case. */
  invoke(method: string, input: Payload, options: CallOptions): Promise<Payload>;
  /** Rejects when the module has a `health` method and it throws or does not answer in time. */
  checkHealth(timeoutMs: number): Promise<void>;
  exportState(timeoutMs: number): Promise<unknown>;
  importState(state: unknown, from: { fromVersion: string; schema: unknown }, timeoutMs: number): Promise<void>;
  /** Calls the module's `stop`, then ends it, by force after `timeoutMs`. Never rejects; safe to call twice. */
  stop(timeoutMs: number): Promise<void>;
  /** Ends it at once, without asking the module. */
  kill(): void;
}

/** Finds module files, and brings them to life: the only part that knows processes and threads. */
export interface ModuleHost {
  /**
   * Resolves a module path below the root. Rejects with MODULE_PATH_OUTSIDE_ROOT, MODULE_FILE_NOT_FOUND or
   * MODULE_INVALID (not a file that can be read).
   */
  resolve(modulePath: string): Promise<ResolvedModule>;
  /**
   * Imports the module, makes its instance and awaits its `start(ctx)`. Rejects with MODULE_LOAD_FAILED (`step` is
   * `import`, `construct` or `start`), and nothing is left running then.
   */
  start(spec: InstanceSpec, services: InstanceServices): Promise<Instance>;
  /** Kills whatever still runs. */
  close(): Promise<void>;
}
