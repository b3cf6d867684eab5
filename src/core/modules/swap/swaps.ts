import { HeliosError } from "../../errors/error.ts";
import type { OperationContext } from "../operations/context.ts";
import { persistently } from "../operations/persist.ts";
import { checkSwap, modulesOf, planSwap, type SwapRequest } from "./plan.ts";
import { outcomeOf, type SwapOutcome } from "./report.ts";
import { beginSwap, type UnderWay } from "./run.ts";
import type { SwapListener } from "./state/events.ts";
import { type Journal, keyOf } from "./state/journal.ts";
import type { SwapPlan } from "./state/plan.ts";
import type { SwapTools } from "./steps/rehearse.ts";

/** What identifies a request: a repetition has the same. */
export interface AskedFor {
  /** Sorted. */
  readonly modules: readonly string[];
  readonly swapId: string;
  readonly digest: string;
}

/** A swap whose new version serves on trial. */
export interface OnTrial extends Pick<AskedFor, "modules" | "swapId"> {
  /** The generation that stands by. */
  readonly standby: number;
}

/** The swaps under way, and what came of the last ones. */
export interface Swaps {
  /**
   * Does a swap. With the id of a swap that is under way it joins that; with the id of an earlier one it resolves to
   * its outcome. MODULE_BUSY, SWAP_ID_REUSED, the errors of `checkSwap` and `planSwap`, and what is wrong with a path.
   * `listener` is called with each event, the past ones first.
   */
  run(request: SwapRequest, listener?: SwapListener): Promise<SwapOutcome>;
  /**
   * Cancels the swap of a module that is under way, and resolves to its outcome. SWAP_NOT_FOUND where no swap of that
   * id is under way (empty: of any id); SWAP_COMMITTED from the commit on.
   */
  cancel(name: string, swapId: string, why: string): Promise<SwapOutcome>;
  /** The outcome of the swap with that id; undefined where that id was not used. SWAP_ID_REUSED. */
  recall(asked: AskedFor, listener?: SwapListener): Promise<SwapOutcome> | undefined;
  /** Ends the trial of a module's new version: the old one serves again. Undefined where no trial is under way. */
  goBack(name: string, why: string): Promise<SwapOutcome> | undefined;
  /** The swap whose new version of a module serves on trial. */
  onTrial(name: string): OnTrial | undefined;
  /** The id of the swap of a module that is under way. */
  underWay(name: string): string | undefined;
}

export function createSwaps(context: OperationContext, journal: Journal, tools: SwapTools, newId: () => string): Swaps {
  const running = new Map<string, { readonly digest: string; readonly begun: Promise<UnderWay> }>();
  const underWay = new Set<UnderWay>();
  /** Which attempt is being taken out of the journal, by key. */
  const forgetting = new Map<string, symbol>();

  /** Takes a swap out of the journal that left nothing behind. A retry can use its id at once. */
  const forget = async ({ modules, swapId }: SwapPlan): Promise<void> => {
    const key = keyOf(modules, swapId);
    const attempt = Symbol(key);
    forgetting.set(key, attempt);
    const stored = persistently(context, "that a swap came to nothing", async () => {
      // Else a retry has begun meanwhile, and the record is its own.
      if (forgetting.get(key) === attempt) await journal.forget(modules, swapId);
    });
    await stored.catch(() => {});
    if (forgetting.get(key) === attempt) forgetting.delete(key);
  };
  const deps = { context, journal, tools, forget: (plan: SwapPlan) => void forget(plan) };

  const find = (name: string): UnderWay | undefined => [...underWay].find(({ plan }) => plan.modules.includes(name));

  const findOnTrial = (name: string): UnderWay | undefined => {
    const found = find(name);
    return found?.isDecided && found.plan.terms.bakeMs > 0 ? found : undefined;
  };

  const recall: Swaps["recall"] = ({ modules, swapId, digest }, listener) => {
    const key = keyOf(modules, swapId);
    const found = running.get(key) ?? (forgetting.has(key) ? undefined : journal.find(modules, swapId));
    if (found === undefined) return undefined;
    checkSame(found, { swapId, digest });
    if ("begun" in found) return found.begun.then((one) => one.join(listener));
    return found.reports && Promise.resolve(outcomeOf(swapId, new Map(Object.entries(found.reports))));
  };

  return {
    recall,

    async run(request, listener) {
      const { swapId, digest, cause, isAlone } = request;
      const modules = modulesOf(request);
      const id = swapId === "" ? newId() : swapId;
      const key = keyOf(modules, id);
      const earlier = recall({ modules, swapId: id, digest }, listener);
      if (earlier !== undefined) return earlier;
      const begun = Promise.withResolvers<UnderWay>();
      // The error reaches those who joined, if there are any.
      begun.promise.catch(() => {});
      const entry = { digest, begun: begun.promise };
      running.set(key, entry);
      forgetting.delete(key);
      // Until the outcome is stored, a retry finds it here.
      let recorded: Promise<void> | undefined;
      const free = (): void => {
        if (running.get(key) === entry) running.delete(key);
      };
      const work = async (): Promise<SwapOutcome> => {
        await checkSwap(context, request);
        const one = beginSwap(deps, planSwap(context, request, id));
        underWay.add(one);
        recorded = one.recorded;
        begun.resolve(one);
        return one.join(listener).finally(() => underWay.delete(one));
      };
      try {
        return await (isAlone ? work() : context.operations.together(modules, cause.action, work));
      } catch (error) {
        begun.reject(error);
        throw error;
      } finally {
        if (recorded === undefined) free();
        else void recorded.then(free);
      }
    },

    async cancel(name, swapId, why) {
      const found = find(name);
      if (found === undefined || (swapId !== "" && found.plan.swapId !== swapId)) {
        throw HeliosError.of("SWAP_NOT_FOUND", { name, swap_id: swapId === "" ? "(any)" : swapId });
      }
      if (found.isDecided) throw HeliosError.of("SWAP_COMMITTED", { name, swap_id: found.plan.swapId });
      found.cancel(why);
      return found.join();
    },

    goBack(name, why) {
      const found = findOnTrial(name);
      found?.goBack(why);
      return found?.join();
    },

    onTrial(name) {
      const found = findOnTrial(name);
      const member = found?.members.find((one) => one.name === name);
      if (found === undefined || member === undefined) return undefined;
      const { modules, swapId } = found.plan;
      return { modules, swapId, standby: member.from.running.generation };
    },

    underWay: (name) => find(name)?.plan.swapId,
  };
}

/** SWAP_ID_REUSED: the same id with other content is another swap. */
export function checkSame(
  earlier: { readonly digest: string },
  { swapId, digest }: Pick<AskedFor, "swapId" | "digest">,
): void {
  if (earlier.digest !== digest) throw HeliosError.of("SWAP_ID_REUSED", { swap_id: swapId });
}
