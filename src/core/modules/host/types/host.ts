import type { MinimalSignal } from "../../../../kernel/async/signal.ts";
import type { LogLevel } from "../../../log.ts";
import type { FileWatch, FileWatchOptions } from "../disk/watch.ts";

/**
 * The end of a call whose caller has left. `ENDED`: its method ran to its end. `DROPPED`: its method never began.
 * `UNKNOWN`: the instance ended first, so nobody knows.
 */
export type Aftermath = "ENDED" | "DROPPED" | "UNKNOWN";

/** What separates a module's instance from the service: a process of its own, or a thread of the service's process. */
export type Isolation = "PROCESS" | "THREAD";

/** Permissions of a module. It may do nothing that is not granted here; it may not even read files beside its code. */
export interface Grants {
  /** Absolute paths that it may read, and import code from. */
  readonly fsRead: readonly string[];
  /** Absolute paths that it may write. */
  readonly fsWrite: readonly string[];
  readonly net: boolean;
  readonly childProcess: boolean;
}

/**
 * Input or output of a call: a JSON value, or bytes that are passed on unchanged. The caller must not change its input
 * before the call has ended, because the input may be sent later.
 */
export type Payload = { readonly json: unknown } | { readonly binary: Uint8Array };

/** A module's code, as it was when it was resolved. The record can be stored, and the same code can be started later. */
export interface ResolvedModule {
  /** The module path as the caller gave it. */
  readonly modulePath: string;
  /** SHA-256 of the module file's bytes, in hex as sha256sum prints it. */
  readonly sha256: string;
  /**
   * SHA-256, in hex, of all code that runs: the file and everything that it imports below the modules root, with their
   * paths from there, and the digests of the assets. It names the artifact that the host keeps.
   */
  readonly artifact: string;
  /**
   * Paths of the module's assets, as the caller gave them. Absent: the module has no assets. The artifact contains their
   * digests.
   */
  readonly assets?: readonly string[];
}

/** What the file default-exports: the class or factory of a module, or the tests of a suite. */
export type InstanceKind = "module" | "suite";

/** Everything that is needed to start an instance. */
export interface InstanceSpec {
  /** Default: `module`. */
  readonly kind?: InstanceKind;
  /** The module's name, for messages and logs. */
  readonly name: string;
  /**
   * The version that the module is to report. If it is empty, the class's `static version` is used, and otherwise
   * `defaultVersion`.
   */
  readonly version: string;
  readonly defaultVersion: string;
  readonly generation: number;
  readonly module: ResolvedModule;
  readonly isolation: Isolation;
  readonly config: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string>>;
  readonly grants: Grants;
  readonly maxHeapMb: number;
  /** Time for the import and `start(ctx)` together. */
  readonly startTimeoutMs: number;
  /** After the start: how long its event loop may be blocked before the instance is killed. 0: no limit. */
  readonly blockTimeoutMs: number;
}

/** The origin of a call that a module makes. */
export interface CallSource {
  /** Aborted when the calling instance ends. */
  readonly signal: AbortSignal;
  /**
   * `origin` of the call that the module is answering, if this call helps to answer it. Undefined: there is no such call,
   * or its method has ended.
   */
  readonly origin: unknown;
}

/** The services that an instance may use. An error that they throw becomes the error of the module's own call. */
export interface InstanceServices {
  log(level: LogLevel, message: string, fields: Record<string, unknown>): void;
  /** Implements `ctx.flags.isEnabled(name, context)`. */
  isFlagEnabled(name: string, context: Readonly<Record<string, unknown>>): boolean;
  /** Implements `ctx.call(dependency, method, input)`. */
  call(dependency: string, method: string, input: Payload, from: CallSource): Promise<Payload>;
}

/** What the module's class offers. */
export interface InstanceShape {
  /** Names of the methods that can be invoked, as the class spells them, sorted. */
  readonly methods: readonly string[];
  /** The class's `static version`, if it is a string. */
  readonly version: string | undefined;
  readonly hasHealth: boolean;
  /** Whether the module has both `exportState` and `importState`. */
  readonly hasState: boolean;
  /**
   * The class's `static stateSchema`, if it is a string or a number. It names the format of the state that `exportState`
   * returns.
   */
  readonly stateSchema: string | number | undefined;
  /** The class's `static pureMethods`, if it has them: names of methods without effects, in either spelling. */
  readonly pureMethods?: readonly string[];
}

/** The state that one version hands over to the next. Only an instance reads its bytes. */
export interface State {
  readonly bytes: Uint8Array;
}

/** The version that exported a state. */
export interface StateSource {
  readonly fromVersion: string;
  /** The `static stateSchema` of that version. */
  readonly schema: string | number | undefined;
}

export interface CallOptions {
  /** Milliseconds until the call rejects with MODULE_DEADLINE_EXCEEDED. */
  readonly timeoutMs: number;
  /** The monotonic time in ms, if the caller has just read the clock. Default: the clock is read. */
  readonly now?: number | undefined;
  /** Aborting this signal rejects the call with its reason. The `signal` of the module's method is then aborted as well. */
  readonly signal?: MinimalSignal | undefined;
  /** Passed on as `CallSource.origin` with every call that the module makes to answer this one. */
  readonly origin?: unknown;
  /** Called once the call has been sent to the module. From then on, the call may have its effect. */
  readonly onDelivered?: (() => void) | undefined;
}

/** How an instance ended. */
export interface Ending {
  /** Whether `stop` was called first. */
  readonly expected: boolean;
  /** For readers, such as `exit code 3`, `out of memory`, `event loop blocked for 5 s` or `uncaught: TypeError: …`. */
  readonly description: string;
}

/** Memory and time that an instance uses. */
export interface Usage {
  /** Memory used in its heap, without buffers. */
  readonly heapUsedBytes: number;
  /** Memory outside of the heap, such as buffers. */
  readonly externalBytes: number;
  /**
   * Share of the time in which its event loop was busy, from 0 to 1. The time starts with the previous reading of the same
   * kind, and for the first reading with the start of the instance. Answers of `usage` are one kind, and values of
   * `lastUsage` another.
   */
  readonly eventLoopUtilization: number;
}

/**
 * A running instance of a module. A method that sends a request to the instance rejects with one of these errors:
 * - MODULE_METHOD_NOT_FOUND
 * - MODULE_METHOD_FAILED
 * - MODULE_DEADLINE_EXCEEDED
 * - MODULE_OVERLOADED, if the instance has too many unread messages: the call was not sent, and will not run
 * - MODULE_CRASHED, if the instance ends, or has ended
 */
export interface Instance {
  readonly shape: InstanceShape;
  /** The usage that the instance last reported. It reports about once a second. Undefined before the first report. */
  readonly lastUsage: Usage | undefined;
  /** Resolves when the instance has ended, for whatever reason. */
  readonly ended: Promise<Ending>;
  /** Number of methods that run in the instance, or were sent to it to run, even if their callers have left. */
  readonly busy: number;
  /**
   * How many of these have no caller any more, because its deadline passed or its signal was aborted. A method that never
   * ends stays counted.
   */
  readonly leftBehind: number;
  /**
   * The module's own calls that have not been answered, such as `gateway.place_order`: calls from a timer or from `start`,
   * and calls of a method that has ended. Calls that wait at a fence are included.
   */
  readonly ownCalls: readonly string[];
  /** Resolves when all calls of the module that are unanswered now have been answered. */
  callsAnswered(): Promise<void>;
  /**
   * Resolves once no method runs in the instance (`busy` is 0), or the instance has ended. A method that never ends delays
   * this for ever.
   */
  whenIdle(): Promise<void>;
  /**
   * Resolves to the end of the call with this `origin`, if its caller has left or its method never began. It never rejects.
   * Returns undefined if nothing runs for this origin: the call was answered, was dropped after its caller had left, or was
   * never sent.
   */
  aftermath(origin: unknown): Promise<Aftermath> | undefined;
  /** Calls a method. `method` is its name as the class spells it, in camelCase or in snake_case. */
  invoke(method: string, input: Payload, options: CallOptions): Promise<Payload>;
  /**
   * Calls the module's `health` method. Rejects if it throws or does not answer in time; resolves if there is no such
   * method.
   */
  checkHealth(timeoutMs: number): Promise<void>;
  /**
   * Exports the state at a quiet moment: no method runs, even for callers that have left, and none of the module's own
   * calls is unanswered. So the state includes what the module learned from their answers. From that moment, further calls
   * of the module's own wait for `retire` or `resume`. After `forceMs`, the state is exported even if the moment is not
   * quiet. A state is any value that can be cloned, of up to 256 MiB.
   */
  exportState(timeoutMs: number, forceMs?: number): Promise<State>;
  /** Resolves at such a quiet moment. From then on, the module's own calls wait as well. */
  becomeQuiet(timeoutMs: number): Promise<void>;
  /** Announces that this version serves and may act of its own accord: calls the listeners of `ctx.onServe`. */
  serve(): void;
  /**
   * Announces that this version does not serve any more: calls the listeners of `ctx.onRetire`. The module's own calls that
   * waited are sent, so that the service refuses them.
   */
  retire(): void;
  /** Announces that this version continues to serve after its state was exported: its own calls that waited are sent. */
  resume(): void;
  /** Reads the usage. With `collect`, garbage is collected first, so that only memory in use is counted. */
  usage(options: { readonly collect: boolean }, timeoutMs: number): Promise<Usage>;
  importState(state: State, from: StateSource, timeoutMs: number): Promise<void>;
  /** Calls the module's `stop`, then ends the instance, by force after `timeoutMs`. Never rejects; may be called twice. */
  stop(timeoutMs: number): Promise<void>;
  /** Ends the instance at once, without calling the module's `stop`. */
  kill(): void;
}

/** Finds module files and runs them. This is the only part of the service that knows about processes and threads. */
export interface ModuleHost {
  /**
   * Finds the file of a module path below the root, reads the file and all that it imports, and stores this as an artifact.
   * The artifact is kept while it is held, while an instance runs it, and while `keepArtifacts` names it; and for 10
   * minutes after it was last resolved, started or released. Rejects with one of these errors:
   * - MODULE_PATH_OUTSIDE_ROOT or MODULE_FILE_NOT_FOUND
   * - MODULE_INVALID, with the file and line: a file is missing or cannot be read; there are more than 1,000 files; a file
   *   has more than 16 MiB, or 4 MiB of TypeScript; all files have more than 64 MiB; or reading takes longer than 10 s
   * - MODULE_ASSET_INVALID, with the asset: it is missing, is outside of the root, is not a file, or is too large
   * - STORE_UNAVAILABLE, if the artifact cannot be stored
   * - MACHINE_FAULT, if the machine prevents the reading
   *
   * @param assets paths below the root of files that the module loads as data, and of directories with such files. They
   *   belong to the artifact.
   */
  resolve(modulePath: string, assets?: readonly string[]): Promise<ResolvedModule>;
  /**
   * Returns absolute paths that must be watched to notice a change of the module's code: its files, files that may come to
   * be imported, its assets, and the directories that contain them.
   */
  filesOf(module: ResolvedModule): Promise<readonly string[]>;
  /**
   * Returns the first place in a stack that lies in a file below the root, such as `src/a.ts:12:5`, or undefined if the
   * stack names no such place.
   */
  placeIn(stack: string): string | undefined;
  /** Watches files for changes until the returned watch is closed. */
  watchFiles(options: Omit<FileWatchOptions, "clock">): FileWatch;
  /**
   * Imports the module, creates its instance and awaits its `start(ctx)`. The code comes from the artifact, even if the
   * files have changed since. Aborting the signal kills the instance while it starts. After an error nothing is left
   * running. Rejects with one of these errors:
   * - MODULE_LOAD_FAILED, whose `step` is `import`, `construct` or `start`. It is `import` also if the artifact is missing
   *   or damaged, or imports a file outside of the modules root that no grant covers.
   * - MODULE_INVALID, if the file exports something that cannot be run
   * - MACHINE_FAULT, if the machine cannot start a process or thread
   */
  start(spec: InstanceSpec, services: InstanceServices, signal?: AbortSignal): Promise<Instance>;
  /**
   * Keeps an artifact until the returned function is called. Use it for code that is resolved now and may be started much
   * later.
   */
  hold(module: ResolvedModule): () => void;
  /**
   * Deletes all artifacts except these, those that are held or that an instance runs, and those that were resolved, started
   * or released in the last 10 minutes. Rejects with STORE_UNAVAILABLE.
   */
  keepArtifacts(digests: ReadonlySet<string>): Promise<void>;
  /** Number of threads that cannot be killed although their instances have ended: each is in a synchronous system call. */
  readonly strandedThreads: number;
  /** Kills all instances, and resolves when they have ended. */
  close(): Promise<void>;
}
