import { type By, causeOf } from "../../change.ts";
import { checkEtag, getModule, type OperationContext } from "../operations/context.ts";
import { closeBreaker } from "../operations/module-breaker.ts";
import { checkGeneration } from "./plan.ts";
import { resultOf, type SwapResult } from "./report.ts";
import type { Returns } from "./returns.ts";
import { digestOf, type ModuleSwapOptions, type SwapTermsOptions, termsOf } from "./state/swap-options.ts";
import type { Swaps } from "./swaps.ts";

export interface RollbackOptions
  extends Pick<ModuleSwapOptions, "expectedGeneration" | "discardState" | "testSuite">,
    Pick<SwapTermsOptions, "swapId" | "bakeMs" | "maxPauseMs"> {
  /**
   * The generation to go back to. Absent or 0: the one that served last before the present one, with other code or
   * configuration.
   */
  readonly generation?: number | undefined;
}

/**
 * Goes back to an earlier generation: starts its code with its configuration, as a swap does. Runs a suite only where
 * one is named.
 *
 * While the present generation serves on trial, the one before stands by, and serves again at once. If that one has
 * ended meanwhile, it is started anew first; where that fails, the present one serves on.
 *
 * A FAILED module goes back to the last generation that served with other code or configuration. It has no trial: there
 * is no version that could serve again.
 */
export async function rollBack(
  context: OperationContext,
  swaps: Swaps,
  returns: Returns,
  name: string,
  options: RollbackOptions,
  by: By | undefined,
): Promise<SwapResult> {
  const { generation = 0, swapId = "", expectedGeneration } = options;
  const digest = digestOf("RollbackModule", [name, { ...options, swapId: "" }]);
  const asked = { modules: [name], swapId, digest };
  getModule(context, name);
  const known = await returns.recall(asked);
  if (known !== undefined) return resultOf(context, known, name);
  const module = getModule(context, name);
  await checkEtag(context, name, by?.etag);
  if (module.record.bake !== undefined && (generation === 0 || generation === swaps.onTrial(name)?.standby)) {
    checkGeneration(module, expectedGeneration);
    const outcome = await returns.endTrial(name, by?.reason || "it was rolled back", asked);
    if (outcome !== undefined) return resultOf(context, outcome, name);
  }
  const outcome = await swaps.run({
    cause: causeOf("RollbackModule", by),
    swapId,
    digest,
    targets: [{ type: "GENERATION", name, generation, options }],
    terms: termsOf(options),
    etag: by?.etag,
    isAlone: false,
  });
  // The version that opened it does not serve any more.
  if (outcome.swapped) await closeBreaker(context, name, `module ${name} was rolled back`);
  return resultOf(context, outcome, name);
}
