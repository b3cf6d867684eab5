import type { BreakerConfig } from "../breakers/breaker.ts";
import type { BreakerConfigFields } from "../breakers/config.ts";
import { HeliosError } from "../errors.ts";
import type { Resource } from "../store/collection.ts";
import type { Grants, Isolation } from "./host/host.ts";
import type { Lifecycle } from "./lifecycle.ts";

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
  /** Names of the modules that it calls, sorted. */
  readonly dependencies: readonly string[];
  readonly hotReloadable: boolean;
  readonly isolation: Isolation;
  readonly config: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string>>;
  /** The digest that the file must have, in hex; empty: any. */
  readonly sha256: string;
  readonly grants: Grants;
  readonly startTimeoutMs: number;
  readonly callTimeoutMs: number;
  readonly maxHeapMb: number;
  /** Calls that it handles at once. */
  readonly concurrency: number;
  /** The suite that a new version must pass in a swap; empty: none. */
  readonly testSuite: string;
  readonly reloadHooks: readonly ReloadHook[];
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

export type StepName = "verify" | "start" | "health" | "gate" | "warm_up" | "hand_over" | "commit" | "drain" | "stop";

/** One step of a swap. */
export interface SwapStep {
  readonly name: StepName;
  readonly durationMs: number;
  readonly outcome: "done" | "skipped" | "failed";
  /** More about it; why it was skipped or failed. Empty where there is nothing to say. */
  readonly detail: string;
}

/** How a swap, or a forced reload, went. */
export interface SwapReport {
  /** Whether the new version serves. If not, the old one does. */
  readonly swapped: boolean;
  readonly fromVersion: string;
  readonly toVersion: string;
  /** Absent where none failed. */
  readonly failedStep?: StepName;
  readonly failure?: string;
  readonly steps: readonly SwapStep[];
  /** Wall time in ms at which it ended. */
  readonly time: number;
}

/** All that is stored of a module: what changes together is one value. */
export interface ModuleRecord {
  readonly registration: Registration;
  readonly desired: Desired;
  readonly lifecycle: Lifecycle;
  /** Counts the starts of the module's code: that of the instance that runs, or ran last; 0 before the first. */
  readonly generation: number;
  /** Restarts after crashes since it was loaded. */
  readonly restarts: number;
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
