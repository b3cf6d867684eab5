import type { BreakerConfig, BreakerConfigFields } from "../../../kernel/breakers/config.ts";
import { HeliosError } from "../../errors/error.ts";
import type { Resource } from "../../store/collection.ts";
import type { Grants, Isolation, ResolvedModule } from "../host/types/host.ts";
import type { Lifecycle, Running } from "./lifecycle.ts";
import type { SwapReport } from "./report.ts";
import type { Stub } from "./stand-ins.ts";

/** A call that prepares a new instance before it takes traffic. */
export interface ReloadHook {
  readonly method: string;
  /** A JSON value. */
  readonly input: unknown;
}

/** The registration of a module, with all defaults. */
export interface Registration {
  /** The path of the file below the modules root. Changed by a swap. */
  readonly modulePath: string;
  /** The version. Empty: the class's `static version`, or else `0.0.0`. Changed by a swap. */
  readonly version: string;
  /** Paths of the files and directories that it reads as data, below the modules root, sorted. Changed by a swap. */
  readonly assets: readonly string[];
  /** Names of the modules that it calls, sorted. */
  readonly dependencies: readonly string[];
  readonly hotReloadable: boolean;
  readonly isolation: Isolation;
  readonly config: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string>>;
  /** The SHA-256 that the file or the artifact must have, in hex. Empty: any. */
  readonly sha256: string;
  readonly grants: Grants;
  readonly startTimeoutMs: number;
  readonly callTimeoutMs: number;
  /** Time for which its event loop may be blocked before it is ended. 0: no limit. */
  readonly blockTimeoutMs: number;
  /** The time between two health checks. 0: no checks. Earlier versions of the service did not store it. */
  readonly healthIntervalMs?: number;
  readonly maxHeapMb: number;
  /** The number of calls that it handles at once. */
  readonly concurrency: number;
  /** The suite that a new version must pass in a swap. Empty: no suite. */
  readonly testSuite: string;
  readonly reloadHooks: readonly ReloadHook[];
  /** Methods without effects, as the class spells them or in snake_case. They may be called more than once. */
  readonly pureMethods: readonly string[];
  /** Stubs for its dependencies, which tests use unless they define others. Absent: no stubs. */
  readonly testStubs?: Readonly<Record<string, Stub>>;
  /** Dependencies that it may call for real while it does not serve: in tests, and as the new version of a swap. */
  readonly testAllowDependencies?: readonly string[];
  /** The configuration of its breaker, `module:<name>`. */
  readonly breaker: BreakerConfig;
  /** The module that answers while the breaker is open. Empty: calls are refused. */
  readonly fallbackModule: string;
}

/** The fields of a registration in a request. An absent field has its default. */
export type RegistrationFields = { readonly modulePath: string } & {
  readonly [Key in Exclude<keyof Registration, "grants" | "breaker">]?: Registration[Key] | undefined;
} & {
  readonly grants?: { readonly [Key in keyof Grants]?: Grants[Key] | undefined } | undefined;
  readonly breaker?: BreakerConfigFields | undefined;
};

/** The state that a restart of the service restores. The last successful load or unload sets it. */
export type Desired = "UNLOADED" | "LOADED" | "ACTIVE";

/** A version that serves or has served, with its registration, its code and its generation. */
export interface Served {
  readonly registration: Registration;
  readonly code: ResolvedModule;
  /** The number of changes of the configuration. */
  readonly configVersion: number;
  readonly running: Running;
}

/** A generation that has started, as it is recorded. */
export interface GenerationRecord {
  readonly number: number;
  readonly version: string;
  readonly code: ResolvedModule;
  readonly configVersion: number;
  readonly config: Readonly<Record<string, unknown>>;
  /** Whether it ever served. */
  readonly served: boolean;
  /** Wall time in ms. */
  readonly startTime: number;
  /** Wall time in ms. Absent while it lives, and if the service ended before it could be stored. */
  readonly endTime?: number;
  /** Describes why it ended. */
  readonly end?: string;
}

/** The bake of the version that serves. */
export interface Bake {
  readonly swapId: string;
  /** Wall time in ms. */
  readonly until: number;
  /** Why the version that stands by has ended. Absent while it lives. */
  readonly standbyEnd?: string;
}

/** Everything that is stored about a module. It is one value, so that its parts change together. */
export interface ModuleRecord {
  readonly registration: Registration;
  /**
   * The code that a restart starts. The last registration, load or swap has read it. Later changes of the file do not matter.
   */
  readonly code: ResolvedModule;
  readonly configVersion: number;
  readonly desired: Desired;
  readonly lifecycle: Lifecycle;
  /** The generation that runs, or ran last. 0 before the first one. */
  readonly generation: number;
  /** The highest number of a generation, which is the number of starts of the module's code. */
  readonly starts: number;
  /** The last generations, newest first. */
  readonly generations: readonly GenerationRecord[];
  /** Present during the bake of the swap that started the present generation. */
  readonly bake?: Bake;
  /** Restarts after crashes since it was loaded. */
  readonly restarts: number;
  /** Present while that generation is unhealthy. An entry of another generation is out of date. */
  readonly unhealthy?: { readonly generation: number; readonly message: string; readonly since: number };
  readonly lastSwap?: SwapReport;
}

export type Module = Resource<ModuleRecord>;

/** Returns the version to show: the registered one, or else the one that runs or ran last. */
export function versionOf({ registration, lifecycle }: ModuleRecord): string {
  if (registration.version !== "") return registration.version;
  if ("running" in lifecycle) return lifecycle.running.version;
  return (lifecycle.state === "FAILED" ? lifecycle.last?.version : undefined) ?? "";
}

export function moduleNotFound(name: string): HeliosError {
  return HeliosError.of("MODULE_NOT_FOUND", { name });
}
