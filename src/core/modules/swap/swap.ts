import { type By, causeOf } from "../../change.ts";
import { HeliosError } from "../../errors/error.ts";
import { refuse, violation } from "../../errors/violation.ts";
import {
  checkEtag,
  conflict,
  getModule,
  type OperationContext,
  runningGeneration,
  verified,
} from "../operations/context.ts";
import type { Reload } from "../operations/load.ts";
import { isRunning } from "../record/lifecycle.ts";
import type { Module } from "../record/record.ts";
import type { SwapReport } from "../record/report.ts";
import type { Plan } from "./state/member.ts";
import {
  checkModuleOptions,
  digestOf,
  type ModuleSwapOptions,
  type SwapOptions,
  type SwapTermsOptions,
  termsOf,
} from "./state/swap-options.ts";
import type { SwapEvent, SwapOutcome, Swaps } from "./swaps.ts";

/** How the swap of one module went; where it did not swap, what ran goes on. */
export interface SwapResult extends SwapReport {
  readonly module: Module;
}

/** How a swap of several modules went: all of them, or none. */
export interface GroupSwapResult {
  readonly swapId: string;
  readonly swapped: boolean;
  /** In the order of the request. */
  readonly results: readonly SwapResult[];
}

/** Told of each event of a swap. */
export type SwapListener = (event: SwapEvent) => void;

/** Replaces the version that serves; the new path, version and configuration are registered by that. */
export async function swapModule(
  context: OperationContext,
  swaps: Swaps,
  name: string,
  options: SwapOptions,
  by: By | undefined,
  listener?: SwapListener,
): Promise<SwapResult> {
  checkModuleOptions(name, options);
  const outcome = await run(context, swaps, "SwapModule", new Map([[name, options]]), options, by, listener);
  return resultOf(context, outcome, name);
}

/** Replaces several modules at once: each new version passes, and all serve from the same moment on, or none does. */
export async function swapModules(
  context: OperationContext,
  swaps: Swaps,
  modules: readonly (ModuleSwapOptions & { readonly name: string })[],
  options: SwapTermsOptions,
  by: By | undefined,
): Promise<GroupSwapResult> {
  const names = modules.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  refuse(
    names.length === 0
      ? violation(["modules"], names, "at least one module")
      : twice === undefined
        ? undefined
        : violation(["modules"], twice, "each module once"),
  );
  for (const [index, one] of modules.entries()) checkModuleOptions(one.name, one, ["modules", index]);
  const byName = new Map(modules.map((one) => [one.name, one]));
  const outcome = await run(context, swaps, "SwapModules", byName, options, by);
  const results = names.map((name) => resultOf(context, outcome, name));
  return { swapId: outcome.swapId, swapped: outcome.swapped, results };
}

function run(
  context: OperationContext,
  swaps: Swaps,
  operation: string,
  modules: ReadonlyMap<string, ModuleSwapOptions>,
  options: SwapTermsOptions,
  by: By | undefined,
  listener?: SwapListener,
): Promise<SwapOutcome> {
  const cause = causeOf(operation, by);
  const terms = termsOf(options, cause);
  for (const name of modules.keys()) getModule(context, name);
  const { swapId = "", force = false } = options;
  return swaps.run({
    operation,
    swapId,
    digest: digestOf(operation, [...modules, { ...options, swapId: "" }]),
    modules: [...modules.keys()].sort(),
    isAlone: false,
    terms,
    listener,
    async check() {
      for (const name of modules.keys()) await checkEtag(context, name, by?.etag);
      await context.hotReload.check([...modules.keys()]);
    },
    plan(module) {
      if (module.record.lifecycle.state !== "ACTIVE") throw conflict(module, operation, "ACTIVE");
      const { pureMethods = [] } = runningGeneration(context, module)?.instance.shape ?? {};
      const pure = module.record.registration.pureMethods.length > 0 || pureMethods.length > 0;
      refuse(
        terms.shadow !== undefined && !pure
          ? violation(["shadow"], module.name, "a module with pure_methods: only those are mirrored")
          : undefined,
      );
      return planOf(context, module, modules.get(module.name) ?? {}, force);
    },
  });
}

function planOf(context: OperationContext, module: Module, options: ModuleSwapOptions, force: boolean): Plan {
  const { newVersionPath = "", version = "", sha256 = "", testSuite = "", testRun = "", config } = options;
  const { registration, lifecycle, configVersion, generation } = module.record;
  const { expectedGeneration = generation, discardState = false } = options;
  if (expectedGeneration !== generation) {
    const metadata = { name: module.name, expected: expectedGeneration, actual: generation };
    throw HeliosError.of("MODULE_GENERATION_MISMATCH", metadata);
  }
  const modulePath = newVersionPath || registration.modulePath;
  const pin = sha256 || (modulePath === registration.modulePath ? registration.sha256 : "");
  // In the order of a registration.
  const assets = options.assets?.length ? { assets: [...new Set(options.assets)].sort() } : {};
  const present = isRunning(lifecycle) ? lifecycle.running.version : "";
  const changed = config !== undefined && JSON.stringify(config) !== JSON.stringify(registration.config);
  return {
    code: () => verified(context, { ...registration, modulePath, sha256: pin, ...assets }),
    hasAssets: (assets.assets ?? registration.assets ?? []).length > 0,
    registration: (_, running) => ({
      ...registration,
      modulePath,
      sha256: pin,
      ...assets,
      version: running,
      config: config ?? registration.config,
    }),
    configVersion: changed ? configVersion + 1 : configVersion,
    label: version,
    version: (ofClass) => version || (ofClass ?? present),
    suite: testSuite || registration.testSuite,
    testRun,
    activate: true,
    // Who names tests wants them run.
    force: force || testSuite !== "" || testRun !== "",
    discardState,
  };
}

export function resultOf(context: OperationContext, { reports }: SwapOutcome, name: string): SwapResult {
  const report = reports.get(name);
  if (report === undefined) throw new Error(`a swap has a report of module ${name}`);
  return { ...report, module: getModule(context, name) };
}

/** A forced reload is a swap with the registration as it is; that it failed is an error, MODULE_LOAD_FAILED. */
export function reloading(context: OperationContext, swaps: Swaps): Reload {
  return async (module, activate, by) => {
    const { name } = module;
    const outcome = await swaps.run({
      operation: "LoadModule",
      swapId: "",
      digest: "",
      modules: [name],
      isAlone: true,
      terms: termsOf({}, causeOf("LoadModule", by)),
      async check() {
        await checkEtag(context, name, by?.etag);
        await context.hotReload.check([name]);
      },
      plan({ record }) {
        const { registration, lifecycle, configVersion } = record;
        const running = isRunning(lifecycle) ? lifecycle.running.version : "";
        return {
          code: () => verified(context, registration),
          hasAssets: (registration.assets ?? []).length > 0,
          registration: () => registration,
          configVersion,
          label: "",
          version: (ofClass) => registration.version || (ofClass ?? running),
          suite: registration.testSuite,
          testRun: "",
          activate,
          force: true,
          discardState: false,
        };
      },
    });
    const { swapped, module: reloaded, failedStep = "", failure = "" } = resultOf(context, outcome, name);
    if (swapped) return reloaded;
    if (outcome.fault !== undefined) throw outcome.fault;
    throw HeliosError.of("MODULE_LOAD_FAILED", { name, step: failedStep, error: failure });
  };
}
