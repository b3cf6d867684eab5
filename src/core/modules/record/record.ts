import type { BreakerConfig } from "../../../kernel/breakers/config.ts";
import type { BreakerConfigFields } from "../../breakers/config.ts";
import { HeliosError } from "../../errors/error.ts";
import type { Resource } from "../../store/collection.ts";
import type { Grants, Isolation, ResolvedModule } from "../host/types/host.ts";
import type { Lifecycle, Running } from "./lifecycle.ts";
import type { SwapReport } from "./report.ts";
import type { Stub } from "./stand-ins.ts";

/** A call that warms a new instance up before it takes traffic. */
export interface ReloadHook {
  readonly method: string;
  /** A JSON value. */
  readonly input: unknown;
}

/** What was registered, with every default in place. */
export interface Registration {
  /** Below the modules root; changed by a swap. */
  readonly modulePath: string;
  /** Empty: the class's `static version`, else `0.0.0`. Changed by a swap. */
  readonly version: string;
  /** Paths, below the modules root, of the files and directories that it loads as data, sorted. Changed by a swap. */
  readonly assets: readonly string[];
  /** Names of the modules that it calls, sorted. */
  readonly dependencies: readonly string[];
  readonly hotReloadable: boolean;
  readonly isolation: Isolation;
  readonly config: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string>>;
  /** The digest that the file or the artifact must have, in hex; empty: any. */
  readonly sha256: string;
  readonly grants: Grants;
  readonly startTimeoutMs: number;
  readonly callTimeoutMs: number;
  /** How long its event loop may be blocked before it is ended; 0: for ever. */
  readonly blockTimeoutMs: number;
  /** Between two questions for its health while it lives; 0: it is not asked. Absent in what earlier versions stored. */
  readonly healthIntervalMs?: number;
  readonly maxHeapMb: number;
  /** Calls that it handles at once. */
  readonly concurrency: number;
  /** The suite that a new version must pass in a swap; empty: none. */
  readonly testSuite: string;
  readonly reloadHooks: readonly ReloadHook[];
  /** Methods without any effect, as the class spells them or in snake_case: they may be called more than once. */
  readonly pureMethods: readonly string[];
  /** What stands in for its dependencies where tests say nothing of them; absent: nothing. */
  readonly testStubs?: Readonly<Record<string, Stub>>;
  /** Dependencies that it may call for real while it does not serve: as a swap's new version, and in tests; absent: none. */
  readonly testAllowDependencies?: readonly string[];
  /** Of its breaker, `module:<name>`. */
  readonly breaker: BreakerConfig;
  /** The module that answers while the breaker is open; empty: none. */
  readonly fallbackModule: string;
}

/** What a registration is given as; what is absent has its default. */
export type RegistrationFields = { readonly modulePath: string } & {
  readonly [Key in Exclude<keyof Registration, "grants" | "breaker">]?: Registration[Key] | undefined;
} & {
  readonly grants?: { readonly [Key in keyof Grants]?: Grants[Key] | undefined } | undefined;
  readonly breaker?: BreakerConfigFields | undefined;
};

/** What the module is to be, as the last successful load or unload said: what a restart restores. */
export type Desired = "UNLOADED" | "LOADED" | "ACTIVE";

/** What a generation is made of. */
export interface Served {
  readonly registration: Registration;
  readonly code: ResolvedModule;
  /** Which configuration: it counts the changes of it. */
  readonly configVersion: number;
  readonly running: Running;
}

/** A generation that has started, as it is remembered. */
export interface GenerationRecord {
  readonly number: number;
  readonly version: string;
  readonly code: ResolvedModule;
  readonly configVersion: number;
  readonly config: Readonly<Record<string, unknown>>;
  /** Whether it ever was the one that serves. */
  readonly served: boolean;
  /** Wall time in ms. */
  readonly startTime: number;
  /** Absent while it lives, or where the service ended before it could say so. */
  readonly endTime?: number;
  /** Why it ended; for people. */
  readonly end?: string;
}

/** A trial of the version that serves. */
export interface Bake {
  readonly swapId: string;
  /** Wall time in ms. */
  readonly until: number;
  /** Why the version that stands by has ended; absent while it lives. */
  readonly standbyEnd?: string;
}

/** All that is stored of a module: what changes together is one value. */
export interface ModuleRecord {
  readonly registration: Registration;
  /** The code that a restart starts: of the last registration, load or swap, whatever became of the file since. */
  readonly code: ResolvedModule;
  readonly configVersion: number;
  readonly desired: Desired;
  readonly lifecycle: Lifecycle;
  /** Of the instance that runs, or ran last; 0 before the first. */
  readonly generation: number;
  /** The highest number that a generation was given: it counts the starts of the module's code. */
  readonly starts: number;
  /** The last ones, newest first. */
  readonly generations: readonly GenerationRecord[];
  /** While the swap that made the present generation can still go back by itself. */
  readonly bake?: Bake;
  /** Restarts after crashes since it was loaded. */
  readonly restarts: number;
  /** Of that generation, while it is unhealthy; what it says of another one is out of date. */
  readonly unhealthy?: { readonly generation: number; readonly message: string; readonly since: number };
  readonly lastSwap?: SwapReport;
}

export type Module = Resource<ModuleRecord>;

/** The version to show: of what runs or ran last, else as registered. */
export function versionOf({ registration, lifecycle }: ModuleRecord): string {
  if (registration.version !== "") return registration.version;
  if ("running" in lifecycle) return lifecycle.running.version;
  return (lifecycle.state === "FAILED" ? lifecycle.last?.version : undefined) ?? "";
}

export function moduleNotFound(name: string): HeliosError {
  return HeliosError.of("MODULE_NOT_FOUND", { name });
}
