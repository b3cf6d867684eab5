import { type By, causeOf } from "../../change.ts";
import { checkEtag, getModule, type OperationContext } from "../operations/context.ts";
import { closeBreaker } from "../operations/module-breaker.ts";
import type { BakeRollbacks } from "./bake-rollbacks.ts";
import { checkGeneration } from "./plan.ts";
import { resultOf, type SwapResult } from "./report.ts";
import { contentOf, type ModuleSwapOptions, type SwapTermsOptions, termsOf } from "./state/swap-options.ts";
import type { Swaps } from "./swaps.ts";

export interface RollbackOptions
  extends Pick<ModuleSwapOptions, "expectedGeneration" | "discardState" | "testSuite">,
    Pick<SwapTermsOptions, "swapId" | "bakeMs" | "maxPauseMs"> {
  /**
   * The generation to return to. Absent or 0: the last one before the present one that served with other code or
   * configuration.
   */
  readonly generation?: number | undefined;
}

/**
 * Returns to an earlier generation: starts its code with its configuration, as a swap does. Runs a suite only if the request
 * names one.
 *
 * During a bake, the version before stands by, and serves again at once. If it has ended meanwhile, it is restarted first. If
 * that fails, the present version continues to serve.
 *
 * A FAILED module returns to the last generation that served with other code or configuration. There is no bake, because no
 * version could serve again.
 */
export async function rollBack(
  context: OperationContext,
  swaps: Swaps,
  rollbacks: BakeRollbacks,
  name: string,
  options: RollbackOptions,
  by: By | undefined,
): Promise<SwapResult> {
  const { generation = 0, swapId = "", expectedGeneration } = options;
  const content = contentOf("RollbackModule", [name, { ...options, swapId: "" }]);
  const asked = { modules: [name], swapId, content };
  getModule(context, name);
  const known = await rollbacks.recall(asked);
  if (known !== undefined) return resultOf(context, known, name);
  const module = getModule(context, name);
  await checkEtag(context, name, by?.etag);
  if (module.record.bake !== undefined && (generation === 0 || generation === swaps.inBake(name)?.standby)) {
    checkGeneration(module, expectedGeneration);
    const outcome = await rollbacks.endBake(name, by?.reason || "it was rolled back", asked);
    if (outcome !== undefined) return resultOf(context, outcome, name);
  }
  const outcome = await swaps.run({
    cause: causeOf("RollbackModule", by),
    swapId,
    content,
    targets: [{ type: "GENERATION", name, generation, options }],
    terms: termsOf(options),
    etag: by?.etag,
    isAlone: false,
  });
  // The version whose failures opened the breaker does not serve any more.
  if (outcome.swapped) await closeBreaker(context, name, `module ${name} was rolled back`);
  return resultOf(context, outcome, name);
}
