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

/** Identifies a request. A repetition has the same values. */
export interface AskedFor {
  /** The names of the modules, sorted. */
  readonly modules: readonly string[];
  readonly swapId: string;
  /** The content of the request, as canonical JSON. */
  readonly content: string;
}

/** A swap in its bake. */
export interface InBake extends Pick<AskedFor, "modules" | "swapId"> {
  /** The generation that stands by. */
  readonly standby: number;
}

/** The swaps in progress, and the outcomes of the last ones. */
export interface Swaps {
  /**
   * Runs a swap. If a swap with that id is in progress, joins it. If one has ended, resolves to its outcome. Rejects with
   * MODULE_BUSY, SWAP_ID_REUSED, the errors of `checkSwap` and `planSwap`, and those of a wrong path. `listener` is called
   * with each event, the past ones first.
   */
  run(request: SwapRequest, listener?: SwapListener): Promise<SwapOutcome>;
  /**
   * Cancels the swap of a module that is in progress, and resolves to its outcome. An empty id stands for any swap. Rejects
   * with SWAP_NOT_FOUND if no such swap is in progress, and with SWAP_COMMITTED if the commit has begun.
   */
  cancel(name: string, swapId: string, why: string): Promise<SwapOutcome>;
  /** Returns the outcome of the swap with that id. Undefined if that id was not used. Throws SWAP_ID_REUSED. */
  recall(asked: AskedFor, listener?: SwapListener): Promise<SwapOutcome> | undefined;
  /** Ends the bake of a module's swap, so that the old version serves again. Undefined if the module is not in a bake. */
  goBack(name: string, why: string): Promise<SwapOutcome> | undefined;
  /** Returns the swap of a module that is in its bake. */
  inBake(name: string): InBake | undefined;
  /** Returns the id of the swap of a module that is in progress. */
  underWay(name: string): string | undefined;
}

export function createSwaps(context: OperationContext, journal: Journal, tools: SwapTools, newId: () => string): Swaps {
  const running = new Map<string, { readonly content: string; readonly begun: Promise<UnderWay> }>();
  const underWay = new Set<UnderWay>();
  /** The attempts that are being removed from the journal, by key. */
  const forgetting = new Map<string, symbol>();

  /** Removes a swap that had no effect from the journal. A retry can use its id at once. */
  const forget = async (swap: SwapPlan): Promise<void> => {
    const key = keyOf(swap);
    const attempt = Symbol(key);
    forgetting.set(key, attempt);
    const stored = persistently(context, "the deletion of a swap without effect", async () => {
      // Otherwise a retry with the same id has begun meanwhile, and the entry is that of the retry.
      if (forgetting.get(key) === attempt) await journal.forget(swap);
    });
    await stored.catch(() => {});
    if (forgetting.get(key) === attempt) forgetting.delete(key);
  };
  const deps = { context, journal, tools, forget: (plan: SwapPlan) => void forget(plan) };

  const find = (name: string): UnderWay | undefined => [...underWay].find(({ plan }) => plan.modules.includes(name));

  const findInBake = (name: string): UnderWay | undefined => {
    const found = find(name);
    return found?.isDecided && found.plan.terms.bakeMs > 0 ? found : undefined;
  };

  const recall: Swaps["recall"] = (asked, listener) => {
    const { swapId } = asked;
    const key = keyOf(asked);
    const inProgress = running.get(key);
    if (inProgress !== undefined) {
      checkSame(inProgress.content, asked);
      return inProgress.begun.then((one) => one.join(listener));
    }
    const found = forgetting.has(key) ? undefined : journal.find(asked);
    if (found === undefined) return undefined;
    checkSame(found.digest, asked);
    return found.reports && Promise.resolve(outcomeOf(swapId, new Map(Object.entries(found.reports))));
  };

  return {
    recall,

    async run(request, listener) {
      const { swapId, content, cause, isAlone } = request;
      const modules = modulesOf(request);
      const id = swapId === "" ? newId() : swapId;
      const key = keyOf({ modules, swapId: id });
      const earlier = recall({ modules, swapId: id, content }, listener);
      if (earlier !== undefined) return earlier;
      const begun = Promise.withResolvers<UnderWay>();
      // Requests that joined get the error. There may be none.
      begun.promise.catch(() => {});
      const entry = { content, begun: begun.promise };
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
      const found = findInBake(name);
      found?.goBack(why);
      return found?.join();
    },

    inBake(name) {
      const found = findInBake(name);
      const member = found?.members.find((one) => one.name === name);
      if (found === undefined || member === undefined) return undefined;
      const { modules, swapId } = found.plan;
      return { modules, swapId, standby: member.from.running.generation };
    },

    underWay: (name) => find(name)?.plan.swapId,
  };
}

/** Throws SWAP_ID_REUSED if a request has the id of an earlier one, but not its content. */
export function checkSame(earlier: string, { swapId, content }: Pick<AskedFor, "swapId" | "content">): void {
  if (earlier !== content) throw HeliosError.of("SWAP_ID_REUSED", { swap_id: swapId });
}
