import type { OperationContext } from "../operations/context.ts";
import { persistently } from "../operations/persist.ts";
import type { SwapReport } from "../record/report.ts";
import type { SwapOutcome } from "./report.ts";
import { type Journal, keyOf } from "./state/journal.ts";
import { type AskedFor, checkSame, type Swaps } from "./swaps.ts";

/** Rollbacks that end the bake of a swap. A repetition with the same id gets the outcome of the first request. */
export interface BakeRollbacks {
  /**
   * Returns the outcome of the rollback or swap with that id. Undefined if the id was not used. Rejects with SWAP_ID_REUSED.
   */
  recall(asked: AskedFor): Promise<SwapOutcome | undefined>;
  /**
   * Ends the bake of a module's swap, so that the old version serves again. Undefined if the module is not in a bake, or the
   * bake ended in that moment.
   */
  endBake(name: string, why: string, asked: AskedFor): Promise<SwapOutcome | undefined>;
}

export function createBakeRollbacks(context: OperationContext, journal: Journal, swaps: Swaps): BakeRollbacks {
  const underWay = new Map<string, { readonly content: string; readonly outcome: Promise<SwapOutcome | undefined> }>();

  const end = async (name: string, why: string, asked: AskedFor): Promise<SwapOutcome | undefined> => {
    const { swapId } = asked;
    const baking = swaps.inBake(name);
    if (baking === undefined) return undefined;
    // Must be stored before the old version serves, so that a repetition after a crash does not roll back a second time.
    if (swapId !== "") await journal.begin({ ...asked, returns: { modules: baking.modules, swapId: baking.swapId } });
    const outcome = await swaps.goBack(name, why);
    const ended = outcome?.reports.get(name);
    if (outcome === undefined || ended === undefined || (outcome.swapped && outcome.stayed === undefined)) {
      if (swapId !== "") await journal.forget(asked).catch(() => {});
      // The bake ended in that moment, but its swap may still be running on the module.
      await context.operations.idle(name);
      return undefined;
    }
    const report = rollbackOf(ended, swapId, outcome.stayed);
    if (swapId !== "") {
      const store = (): Promise<void> => journal.end(asked, { [name]: report });
      await persistently(context, "the end of a rollback", store).catch(() => {});
    }
    return { ...outcome, swapped: report.swapped, reports: new Map([[name, report]]) };
  };

  return {
    async recall(asked) {
      if (asked.swapId === "") return undefined;
      const inProgress = underWay.get(keyOf(asked));
      if (inProgress === undefined) return swaps.recall(asked);
      checkSame(inProgress.content, asked);
      return inProgress.outcome;
    },

    async endBake(name, why, asked) {
      const outcome = end(name, why, asked);
      if (asked.swapId === "") return outcome;
      const key = keyOf(asked);
      underWay.set(key, { content: asked.content, outcome });
      return outcome.finally(() => underWay.delete(key));
    },
  };
}

/**
 * Turns the report of a swap into that of the rollback which ended its bake. `stayed`: why the new version continues to serve.
 */
export function rollbackOf(ended: SwapReport, swapId: string, stayed?: string): SwapReport {
  const { failedStep: _, failure: __, fromVersion, toVersion, ...report } = ended;
  return {
    ...report,
    swapId: swapId || report.swapId,
    swapped: stayed === undefined,
    fromVersion: toVersion,
    toVersion: fromVersion,
    ...(stayed === undefined ? {} : { failedStep: "start", failure: stayed }),
  };
}
