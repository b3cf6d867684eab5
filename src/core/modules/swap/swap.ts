import { type By, causeOf } from "../../change.ts";
import { HeliosError } from "../../errors/error.ts";
import { refuse, violation } from "../../errors/violation.ts";
import { getModule, type OperationContext } from "../operations/context.ts";
import type { Reload } from "../operations/load.ts";
import { resultOf, type SwapOutcome, type SwapResult } from "./report.ts";
import type { SwapListener } from "./state/events.ts";
import {
  checkModuleOptions,
  contentOf,
  type ModuleSwapOptions,
  type SwapOptions,
  type SwapTermsOptions,
  termsOf,
} from "./state/swap-options.ts";
import type { Swaps } from "./swaps.ts";

/** The result of a swap of several modules. All of them were swapped, or none. */
export interface GroupSwapResult {
  readonly swapId: string;
  readonly swapped: boolean;
  /** In the order of the request. */
  readonly results: readonly SwapResult[];
}

/** Replaces the version that serves. Also registers the new path, version and configuration. */
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

/**
 * Replaces several modules together. If each new version passes its tests, all begin to serve at the same moment. Otherwise
 * none does.
 */
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
  const terms = termsOf(options);
  for (const name of modules.keys()) getModule(context, name);
  const content = contentOf(operation, [...modules, { ...options, swapId: "" }]);
  const targets = [...modules].map(([name, one]) => ({ type: "FILES", name, options: one }) as const);
  const { swapId = "" } = options;
  return swaps.run({ cause, swapId, content, targets, terms, etag: by?.etag, isAlone: false }, listener);
}

/**
 * Returns the function for a forced reload: a swap to the registered files. If it fails, it rejects with MODULE_LOAD_FAILED.
 */
export function reloading(context: OperationContext, swaps: Swaps): Reload {
  return async ({ name }, activate, by) => {
    const outcome = await swaps.run({
      cause: causeOf("LoadModule", by),
      swapId: "",
      content: "",
      targets: [{ type: "RELOAD", name, activate }],
      terms: termsOf({}),
      etag: by?.etag,
      isAlone: true,
    });
    const { swapped, module: reloaded, failedStep = "", failure = "" } = resultOf(context, outcome, name);
    if (swapped) return reloaded;
    if (outcome.fault !== undefined) throw outcome.fault;
    throw HeliosError.of("MODULE_LOAD_FAILED", { name, step: failedStep, error: failure });
  };
}
