import { unlessAborted } from "../../async/deadline.ts";
import { type By, causeOf } from "../../change.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import type { Cause } from "../../store/store.ts";
import type { Generation } from "../calls/generation.ts";
import { breakerOf } from "../calls/router.ts";
import { swapTrial } from "../calls/trial.ts";
import type { ResolvedModule } from "../host/types/host.ts";
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
  /** Start the file anew even if the module runs: the new instance is started first, as in a swap. */
  readonly forceReload?: boolean | undefined;
  /** Load dependencies that are not ACTIVE first, in order. */
  readonly loadDependencies?: boolean | undefined;
  /** Whether to give it traffic. Default true; false leaves it LOADED. */
  readonly activate?: boolean | undefined;
}

/** Starts a module that does not run; whoever calls it has the module to itself. */
export interface BringUp {
  readonly activate: boolean;
  readonly cause: Cause;
  readonly etag?: string | undefined;
  /** Restarts to record; 0 where it is none. */
  readonly restarts: number;
  /** Finds the code to start; absent: that of the record. */
  readonly code?: (module: Module) => Promise<ResolvedModule>;
  /** Aborting it gives the start up: the module is FAILED as before. */
  readonly signal?: AbortSignal;
}

/**
 * UNLOADED or FAILED -> LOADING -> LOADED or ACTIVE; on failure FAILED. What is desired changes with the success alone:
 * a load that fails leaves what a restart of the service restores as it was.
 */
export async function bringUp(context: OperationContext, name: string, options: BringUp): Promise<Module> {
  const { activate, cause, etag, restarts, code = async ({ record }) => record.code, signal } = options;
  const start = context.clock.monotonic();
  if (activate) context.upcoming.expect(name, 0);
  // Of a restart that fails, whoever makes it knows whether there is another.
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
    // Else it would be LOADING for ever.
    if (!context.isClosing()) await storeFailure(failureOf(error, context.clock.now()));
    throw error;
  }
}

/** `acts`: whether it is to serve; one that is only LOADED does not act before it is activated. */
async function startChecked(
  context: OperationContext,
  { name, record }: Module,
  module: ResolvedModule,
  acts: boolean,
  signal: AbortSignal | undefined,
): Promise<Generation> {
  const { registration } = record;
  await context.breakers.getOrCreate(breakerOf(name), registration.breaker);
  const version = (ofClass: string | undefined): string => registration.version || (ofClass ?? "0.0.0");
  const trial = swapTrial(registration);
  const request = { registration, module, version, acts, trial, ...(signal && { signal }) };
  const generation = await context.generations.start(name, record.starts, request);
  try {
    const healthy = generation.health.check(registration.startTimeoutMs);
    await (signal === undefined ? healthy : unlessAborted(signal, healthy));
    // Who opened it by hand closes it by hand.
    await closeSupervised(context, name);
    return generation;
  } catch (error) {
    context.generations.discard(name, generation);
    throw loadFailed(name, "health", error);
  }
}

/** Reads the file: whoever asks for a load has a look at what is there. A restart starts what ran before. */
function asItIsNow(context: OperationContext): NonNullable<BringUp["code"]> {
  return ({ record: { registration } }) => verified(context, registration);
}

/** Replaces what runs by a new start of the same file. */
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

/** MODULE_DEPENDENCY_NOT_LOADED names those that are not ACTIVE, or are being unloaded. */
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
    // Whoever loads it already does what is wanted here.
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
