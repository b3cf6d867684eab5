import { unlessAborted } from "../../async/deadline.ts";
import { type By, causeOf } from "../../change.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import type { Cause } from "../../store/store.ts";
import { breakerOf } from "../calls/call.ts";
import type { Generation } from "../calls/generation/generation.ts";
import { swapTrial } from "../calls/generation/trial.ts";
import type { ResolvedModule } from "../host/types/host.ts";
import { DEFAULT_VERSION } from "../host/values/version.ts";
import { loadOrder } from "../record/dependencies.ts";
import { remember } from "../record/history.ts";
import { type Failure, isRunning } from "../record/lifecycle.ts";
import type { Module, ModuleRecord } from "../record/record.ts";
import {
  advance,
  checkEtag,
  dependenciesOf,
  failureOf,
  getModule,
  loadFailed,
  type OperationContext,
  verified,
} from "./context.ts";
import { closeSupervised } from "./module-breaker.ts";

export interface LoadOptions {
  /** Whether to start the file again if the module runs already. The new instance is started first, as in a swap. */
  readonly forceReload?: boolean | undefined;
  /** Whether to load dependencies first that are not ACTIVE, in order. */
  readonly loadDependencies?: boolean | undefined;
  /** Whether it takes traffic afterwards. If not, it stays LOADED. Default: true. */
  readonly activate?: boolean | undefined;
}

/** How to start a module that does not run. */
export interface BringUp {
  readonly activate: boolean;
  readonly cause: Cause;
  readonly etag?: string | undefined;
  /** The number of restarts to record. 0 if this start is not a restart. */
  readonly restarts: number;
  /** Finds the code to start. Absent: the recorded code. */
  readonly code?: (module: Module) => Promise<ResolvedModule>;
  /** If it is aborted, the start is given up. The module is then FAILED with its earlier failure. */
  readonly signal?: AbortSignal;
}

/**
 * Takes a module from UNLOADED or FAILED to LOADING, and then to LOADED or ACTIVE, or after a failure to FAILED. The caller
 * must make sure that no other operation runs on the module. The desired state changes only after a success. So after a failed
 * load, a restart of the service restores the earlier desired state.
 */
export async function bringUp(context: OperationContext, name: string, options: BringUp): Promise<Module> {
  const { activate, cause, etag, restarts, code = async ({ record }) => record.code, signal } = options;
  const start = context.clock.monotonic();
  if (activate) context.upcoming.expect(name, 0);
  // If a restart fails, the supervisor decides whether another one follows.
  const giveUp = (): void => {
    if (restarts === 0) context.upcoming.forget(name);
  };
  const storeFailure = async (failure: Failure): Promise<void> => {
    await advance(context, name, cause, { type: "failed", failure }).catch((unstored: unknown) =>
      context.log("modules", "error", `the failure of module ${name} could not be stored`, {
        error: messageOf(unstored),
      }),
    );
  };
  let loading: Module;
  try {
    loading = await advance(context, name, cause, { type: "load" }, undefined, etag);
  } catch (error) {
    giveUp();
    throw error;
  }
  let generation: Generation;
  let module: ResolvedModule | undefined;
  try {
    module = await code(loading);
    generation = await startChecked(context, loading, module, activate, signal);
  } catch (error) {
    if (context.isClosing()) throw HeliosError.of("SERVER_DRAINING", {}, { cause: error });
    const { lifecycle } = loading.record;
    const before = signal?.aborted && "failure" in lifecycle ? lifecycle.failure : undefined;
    const failure = {
      ...(before ?? failureOf(error, context.clock.now())),
      ...(module && { artifact: module.artifact }),
    };
    giveUp();
    if (before === undefined) {
      context.log("modules", "warn", `module ${name} could not be loaded`, {
        step: failure.step,
        error: failure.message,
      });
    }
    await storeFailure(failure);
    throw error;
  }
  const running = { ...generation.running, loadTime: context.clock.now() };
  const also = (record: ModuleRecord): Partial<ModuleRecord> => {
    const { registration, configVersion } = record;
    const served = { registration, configVersion, code: generation.code, running };
    return {
      ...remember(record, served, { served: true, startTime: running.loadTime }),
      code: generation.code,
      desired: activate ? "ACTIVE" : "LOADED",
      generation: generation.number,
      starts: generation.number,
      restarts,
    };
  };
  try {
    generation.phase = "CURRENT";
    const started = await advance(context, name, cause, { type: "started", running, activate }, also);
    context.upcoming.arrived(name, context.clock.monotonic() - start);
    return started;
  } catch (error) {
    giveUp();
    context.generations.discard(name, generation);
    // Otherwise the module would stay LOADING for ever.
    if (!context.isClosing()) await storeFailure(failureOf(error, context.clock.now()));
    throw error;
  }
}

/** `acts`: whether it is to serve. A LOADED module does not act before it is activated. */
async function startChecked(
  context: OperationContext,
  { name, record }: Module,
  module: ResolvedModule,
  acts: boolean,
  signal: AbortSignal | undefined,
): Promise<Generation> {
  const { registration } = record;
  await context.breakers.getOrCreate(breakerOf(name), registration.breaker);
  const version = { asked: registration.version, otherwise: DEFAULT_VERSION };
  const trial = swapTrial(registration);
  const request = { registration, module, version, acts, trial, ...(signal && { signal }) };
  const generation = await context.generations.start(name, record.starts, request);
  try {
    await unlessAborted(signal, generation.health.check(registration.startTimeoutMs));
    // Closes the breaker only if the supervisor opened it. If a person opened it, a person closes it.
    await closeSupervised(context, name);
    return generation;
  } catch (error) {
    context.generations.discard(name, generation);
    throw loadFailed(name, "health", error);
  }
}

/**
 * Reads the file again. A load on request starts the present content of the file. A restart starts the code that ran before.
 */
function asItIsNow(context: OperationContext): NonNullable<BringUp["code"]> {
  return ({ record: { registration } }) => verified(context, registration);
}

/** Replaces a running module by a new start of its registered file. */
export type Reload = (module: Module, activate: boolean, by: By | undefined) => Promise<Module>;

export async function loadModule(
  context: OperationContext,
  reload: Reload,
  name: string,
  { forceReload = false, loadDependencies = false, activate = true }: LoadOptions,
  by: By | undefined,
): Promise<Module> {
  getModule(context, name);
  return context.operations.alone(name, "LoadModule", async () => {
    const module = getModule(context, name);
    const { lifecycle } = module.record;
    if (!isRunning(lifecycle)) {
      await checkEtag(context, name, by?.etag);
      if (loadDependencies) await loadThem(context, name, by);
      checkDependencies(context, name);
      const cause = causeOf("LoadModule", by);
      return bringUp(context, name, { activate, cause, etag: by?.etag, restarts: 0, code: asItIsNow(context) });
    }
    await checkEtag(context, name, by?.etag);
    if (forceReload) return reload(module, activate, by);
    if (lifecycle.state === "ACTIVE" || !activate) return module;
    const activated = { type: "activate", time: context.clock.now() } as const;
    return advance(context, name, causeOf("LoadModule", by), activated, () => ({ desired: "ACTIVE" }), by?.etag);
  });
}

/** Throws MODULE_DEPENDENCY_NOT_LOADED with the dependencies that are not ACTIVE or are being unloaded. */
export function checkDependencies(context: OperationContext, name: string): void {
  const missing = getModule(context, name).record.registration.dependencies.filter(
    (dependency) =>
      context.collection.get(dependency)?.record.lifecycle.state !== "ACTIVE" ||
      context.operations.running(dependency) === "UnloadModule",
  );
  if (missing.length === 0) return;
  throw HeliosError.of("MODULE_DEPENDENCY_NOT_LOADED", { name, dependencies: missing.join(", ") });
}

async function loadThem(context: OperationContext, name: string, by: By | undefined): Promise<void> {
  const cause = causeOf("LoadModule", by);
  for (const dependency of loadOrder([name], dependenciesOf(context))) {
    if (dependency === name || context.collection.get(dependency) === undefined) continue;
    // Another load of the dependency may be running. After it, nothing is left to do.
    await context.operations.inTurn(dependency, "LoadModule", async () => {
      const { lifecycle } = getModule(context, dependency).record;
      if (lifecycle.state === "ACTIVE") return;
      checkDependencies(context, dependency);
      if (lifecycle.state !== "LOADED") {
        await bringUp(context, dependency, { activate: true, cause, restarts: 0, code: asItIsNow(context) });
      } else {
        const activated = { type: "activate", time: context.clock.now() } as const;
        await advance(context, dependency, cause, activated, () => ({ desired: "ACTIVE" }));
      }
    });
  }
}
