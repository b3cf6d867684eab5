import type { OperationContext } from "../operations/context.ts";
import { persistently } from "../operations/persist.ts";
import type { SwapReport } from "../record/report.ts";
import type { SwapOutcome } from "./report.ts";
import { type Journal, keyOf } from "./state/journal.ts";
import { type AskedFor, checkSame, type Swaps } from "./swaps.ts";

/** Rollbacks that end the trial of a swap. One with an id is found again by it, as a swap is. */
export interface Returns {
  /** The outcome of the rollback or the swap with that id; undefined where that id was not used. SWAP_ID_REUSED. */
  recall(asked: AskedFor): Promise<SwapOutcome | undefined>;
  /**
   * Ends the trial of a module's new version: the old one serves again. Undefined where no trial is under way, or the
   * trial was over in that moment.
   */
  endTrial(name: string, why: string, asked: AskedFor): Promise<SwapOutcome | undefined>;
}

export function createReturns(context: OperationContext, journal: Journal, swaps: Swaps): Returns {
  const underWay = new Map<string, { readonly digest: string; readonly outcome: Promise<SwapOutcome | undefined> }>();

  const end = async (name: string, why: string, asked: AskedFor): Promise<SwapOutcome | undefined> => {
    const { modules, swapId } = asked;
    const trial = swaps.onTrial(name);
    if (trial === undefined) return undefined;
    // Stored before anything goes back: a repetition must not go back a second time.
    if (swapId !== "") await journal.begin({ ...asked, returns: { modules: trial.modules, swapId: trial.swapId } });
    const outcome = await swaps.goBack(name, why);
    const ended = outcome?.reports.get(name);
    if (outcome === undefined || ended === undefined || (outcome.swapped && outcome.stayed === undefined)) {
      if (swapId !== "") await journal.forget(modules, swapId).catch(() => {});
      // The trial was over in that moment, but its swap may still hold the module.
      await context.operations.idle(name);
      return undefined;
    }
    const report = asReturn(ended, swapId, outcome.stayed);
    if (swapId !== "") {
      const store = (): Promise<void> => journal.end(modules, swapId, { [name]: report });
      await persistently(context, "how a rollback ended", store).catch(() => {});
    }
    return { ...outcome, swapped: report.swapped, reports: new Map([[name, report]]) };
  };

  return {
    async recall(asked) {
      if (asked.swapId === "") return undefined;
      const returning = underWay.get(keyOf(asked.modules, asked.swapId));
      if (returning === undefined) return swaps.recall(asked);
      checkSame(returning, asked);
      return returning.outcome;
    },

    async endTrial(name, why, asked) {
      const outcome = end(name, why, asked);
      if (asked.swapId === "") return outcome;
      const key = keyOf(asked.modules, asked.swapId);
      underWay.set(key, { digest: asked.digest, outcome });
      return outcome.finally(() => underWay.delete(key));
    },
  };
}

/**
 * The report of a swap whose trial a rollback ended, as that of the rollback. `stayed`: why the new version serves on.
 */
export function asReturn(ended: SwapReport, swapId: string, stayed?: string): SwapReport {
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
