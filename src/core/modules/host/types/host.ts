import type { LogLevel } from "../../../log.ts";
import type { FileWatch, FileWatchOptions } from "../disk/watch.ts";

/**
 * What became of a call that was given up: its method ran to its end; it never began; or nobody knows, since the
 * instance ended first.
 */
export type Aftermath = "ENDED" | "DROPPED" | "UNKNOWN";

/** How a module's instance is kept apart from the service. */
export type Isolation = "PROCESS" | "THREAD";

/** What the permission model lets a module do: nothing unless granted, not even reading files beside its code. */
export interface Grants {
  /** Absolute paths that it may read, and import code from. */
  readonly fsRead: readonly string[];
  /** Absolute paths that it may write. */
  readonly fsWrite: readonly string[];
  readonly net: boolean;
  readonly childProcess: boolean;
}

/**
 * Input and output of a call: a JSON value, or bytes that pass through untouched. Whoever calls leaves its input as it is
 * until the call has ended: it may be sent later.
 */
export type Payload = { readonly json: unknown } | { readonly binary: Uint8Array };

/** The code of a module as it was when it was resolved; it can be written down and started later. */
export interface ResolvedModule {
  /** As the caller gave it. */
  readonly modulePath: string;
  /** Hex digest of the file's bytes, as sha256sum prints it. */
  readonly sha256: string;
  /**
   * Hex digest of all code that runs: the file and everything that it imports below the modules root, with their paths
   * from there. Names the artifact that the host keeps.
   */
  readonly artifact: string;
  /** Paths of its assets, as the caller gave them; absent: none. The artifact has their bytes. */
  readonly assets?: readonly string[];
}

/** What its file default-exports: a module's class or factory, or a suite's tests. */
export type InstanceKind = "module" | "suite";

/** Everything an instance needs to come to life. */
export interface InstanceSpec {
  /** Default: a module. */
  readonly kind?: InstanceKind;
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
  /** Once started, how long its event loop may answer nothing before it is ended by force; 0: for ever. */
  readonly blockTimeoutMs: number;
}

/** Where a call that a module makes comes from. */
export interface CallSource {
  /** Aborted when the calling instance ends. */
  readonly signal: AbortSignal;
  /** `origin` of the call that the module is answering by it; undefined: none that still waits for its answer. */
  readonly origin: unknown;
}

/** What a running instance may ask of the service. Errors are told to the module as errors of its own call. */
export interface InstanceServices {
  log(level: LogLevel, message: string, fields: Record<string, unknown>): void;
  /** `ctx.flags.isEnabled(name, context)`. */
  isFlagEnabled(name: string, context: Readonly<Record<string, unknown>>): boolean;
  /** `ctx.call(dependency, method, input)`. */
  call(dependency: string, method: string, input: Payload, from: CallSource): Promise<Payload>;
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
  /** The class's `static stateSchema`, if it is a string or a number: the form of what `exportState` gives. */
  readonly stateSchema: string | number | undefined;
  /** Of the class's `static pureMethods`, if it has that: methods without effects, in either spelling. */
  readonly pureMethods?: readonly string[];
}

/** What a version hands over to the next one. Only an instance reads it. */
export interface State {
  readonly bytes: Uint8Array;
}

/** Where a state comes from. */
export interface StateSource {
  readonly fromVersion: string;
  /** The other version's `static stateSchema`. */
  readonly schema: string | number | undefined;
}

export interface CallOptions {
  /** Ms until the caller gives up: the call then rejects with MODULE_DEADLINE_EXCEEDED. */
  readonly timeoutMs: number;
  /** Aborting it rejects the call with its reason; the module sees it as an aborted `signal`. */
  readonly signal?: AbortSignal | undefined;
  /** Told with every call that the module makes to answer this one. */
  readonly origin?: unknown;
  /** Called once the call is on its way to the module: from then on it may have its effect. */
  readonly onDelivered?: (() => void) | undefined;
}

/** How an instance ended. */
export interface Ending {
  /** Whether `stop` was called first. */
  readonly expected: boolean;
  /** For people: `exit code 3`, `out of memory`, `event loop blocked for 5 s`, `uncaught: TypeError: …`. */
  readonly description: string;
}

/** What an instance uses now. */
export interface Usage {
  /** Of its heap, buffers left out. */
  readonly heapUsedBytes: number;
  /** Buffers and the like: memory outside of the heap. */
  readonly externalBytes: number;
  /**
   * Share of the time in which its event loop was at work: since `usage` was last asked for (since its start, at first);
   * in `lastUsage`, since the one before.
   */
  readonly eventLoopUtilization: number;
}

/**
 * One living instance of a module. Every method rejects with a `HeliosError`: MODULE_METHOD_NOT_FOUND,
 * MODULE_METHOD_FAILED, MODULE_DEADLINE_EXCEEDED, MODULE_OVERLOADED where too much waits to be read by it (the call was not
 * sent, and never runs), or MODULE_CRASHED when the instance ends or has ended.
 */
export interface Instance {
  readonly shape: InstanceShape;
  /** What it used when it last told, about once a second; undefined until it first has. */
  readonly lastUsage: Usage | undefined;
  /** Resolves once, when the instance has ended for whatever reason. */
  readonly ended: Promise<Ending>;
  /** Methods that run in it, or were sent to it to be run, whether or not somebody still waits for what they come to. */
  readonly busy: number;
  /** Those of them whose callers have left: the deadline passed, or the signal was aborted. One that never ends stays. */
  readonly leftBehind: number;
  /**
   * Calls under way that it makes of its own accord (`ctx.call` in a timer, in `start`), or that a method has left behind
   * which has ended; those that wait at a fence are among them. `gateway.place_order`.
   */
  readonly ownCalls: readonly string[];
  /** Resolves when all calls that it makes are answered that are under way now. */
  callsAnswered(): Promise<void>;
  /** Resolves once no method runs in it (`busy` is 0), or it has ended. What never ends keeps it for ever. */
  whenIdle(): Promise<void>;
  /**
   * What becomes of the call with this `origin` whose caller has left, or that never began; it does not reject. Undefined
   * where nothing runs for it: it was answered, was dropped after its caller had left, or was never sent.
   */
  aftermath(origin: unknown): Promise<Aftermath> | undefined;
  /** `method` as the class spells it, in camelCase or in snake_case. */
  invoke(method: string, input: Payload, options: CallOptions): Promise<Payload>;
  /** Rejects when the module has a `health` method and it throws or does not answer in time. */
  checkHealth(timeoutMs: number): Promise<void>;
  /**
   * Asks for its state in a moment in which no method runs in it, whether or not somebody waits for that, and none of its
   * own calls is under way: what they learn is in the state. From that moment on further calls of its own wait for
   * `retire` or `resume`. `forceMs`: after so long it is asked, whatever goes on. Whatever can be cloned, up to 256 MiB.
   */
  exportState(timeoutMs: number, forceMs?: number): Promise<State>;
  /** Resolves in such a moment; from then on its own calls wait, too. */
  becomeQuiet(timeoutMs: number): Promise<void>;
  /** It is the version that serves, and may act of its own accord: `ctx.onServe`. */
  serve(): void;
  /** It serves no more: `ctx.onRetire`. What of its own calls waited goes on, to be refused. */
  retire(): void;
  /** It serves on, though its state was asked for: its own calls go on. */
  resume(): void;
  /** `collect`: its garbage is collected first, so that what is left is in use. */
  usage(options: { readonly collect: boolean }, timeoutMs: number): Promise<Usage>;
  importState(state: State, from: StateSource, timeoutMs: number): Promise<void>;
  /** Calls the module's `stop`, then ends it, by force after `timeoutMs`. Never rejects; safe to call twice. */
  stop(timeoutMs: number): Promise<void>;
  /** Ends it at once, without asking the module. */
  kill(): void;
}

/** Finds module files, and brings them to life: the only part that knows processes and threads. */
export interface ModuleHost {
  /**
   * Resolves a module path below the root, reads the file and all that it imports, and keeps that as an artifact: for 10
   * minutes after it was last resolved, started or let go, while it is held or an instance of it lives, and as long as
   * `keepArtifacts` names it. Rejects with
   * MODULE_PATH_OUTSIDE_ROOT, MODULE_FILE_NOT_FOUND, MODULE_INVALID (with the file and line: what cannot be read or is
   * not there, more than 1,000 files, 16 MiB in one, 4 MiB in one of TypeScript or 64 MiB in all, more than 10 s of
   * work), STORE_UNAVAILABLE, or MACHINE_FAULT where the machine does not let it be read.
   *
   * @param assets paths, below the root, of files that it loads as data, and of directories with such: they belong to the
   *   artifact. MODULE_ASSET_INVALID tells which is missing, leads out of the root, is no file, or is too large.
   */
  resolve(modulePath: string, assets?: readonly string[]): Promise<ResolvedModule>;
  /**
   * Where a change of a module's code shows: absolute paths of its files, of what else may come to be imported, of its
   * assets, and of the directories that they are in.
   */
  filesOf(module: ResolvedModule): Promise<readonly string[]>;
  /** The first place of a module's file in a stack, `src/a.ts:12:5`; undefined: it names none. */
  placeIn(stack: string): string | undefined;
  /** Looks at files for changes until it is closed. */
  watchFiles(options: Omit<FileWatchOptions, "clock">): FileWatch;
  /**
   * Imports the module, makes its instance and awaits its `start(ctx)`. Runs the artifact, whatever is at the module's
   * path by now. Rejects with MODULE_LOAD_FAILED (`step` is `import`, `construct` or `start`; at `import` also where the
   * artifact is missing or damaged, or imports a file outside of the modules root that no grant covers), or with MACHINE_FAULT where the
   * machine starts nothing; nothing is left running then. Aborting the signal ends it while it starts.
   */
  start(spec: InstanceSpec, services: InstanceServices, signal?: AbortSignal): Promise<Instance>;
  /** Keeps an artifact until what is returned is called: for code that is found now and may be started much later. */
  hold(module: ResolvedModule): () => void;
  /**
   * Deletes the artifacts with other digests, but none that is held, that an instance runs, or that was resolved, started
   * or let go in the last 10 minutes. Rejects with STORE_UNAVAILABLE.
   */
  keepArtifacts(digests: ReadonlySet<string>): Promise<void>;
  /** Threads of ended instances that no force can end, while they are in a synchronous call of the system. */
  readonly strandedThreads: number;
  /** Kills whatever still runs. */
  close(): Promise<void>;
}
