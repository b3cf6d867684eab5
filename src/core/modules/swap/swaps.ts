import { joined } from "../../async/deadline.ts";
import { HeliosError } from "../../errors/error.ts";
import { conflict, getModule, type OperationContext } from "../operations/context.ts";
import { persistently } from "../operations/persist.ts";
import type { Module } from "../record/record.ts";
import type { SwapReport } from "../record/report.ts";
import { replace } from "./replace.ts";
import { type Journal, keyOf, type SwapRecord } from "./state/journal.ts";
import { type Member, type Plan, type Swap, servedLast, serving, type Terms } from "./state/member.ts";
import { createPins, type Pins } from "./state/pins.ts";
import { type StepEvent, Steps } from "./state/steps.ts";
import type { SwapTools } from "./steps/rehearse.ts";

/** What is told of a swap as it goes on. */
export type SwapEvent = { readonly type: "begun"; readonly swapId: string } | StepEvent;

export interface SwapRequest {
  /** The RPC; for messages. */
  readonly operation: string;
  /** Empty: one is made. */
  readonly swapId: string;
  /** Of what is asked for. */
  readonly digest: string;
  /** Sorted. */
  readonly modules: readonly string[];
  /** Whether the caller has the modules to itself already. */
  readonly isAlone: boolean;
  readonly terms: Terms;
  /** Rejects with what speaks against it; the modules are the caller's alone by then, as for `plan`. */
  check(): Promise<void>;
  /** Throws what speaks against it. */
  plan(module: Module): Plan;
  /** Told of each event, those of the past at first where the swap was under way already. */
  readonly listener?: ((event: SwapEvent) => void) | undefined;
}

/** What a repetition is known by. */
export type AskedFor = Pick<SwapRequest, "modules" | "swapId" | "digest">;

export interface SwapOutcome {
  readonly swapId: string;
  readonly swapped: boolean;
  readonly reports: ReadonlyMap<string, SwapReport>;
  /** The fault of the store or the machine that it was given up for, if it was: the same swap can be asked for again. */
  readonly fault?: HeliosError;
  /** Why a version that was to go back serves on. */
  readonly stayed?: string | undefined;
}

/** The swaps under way, and what came of the last ones. */
export interface Swaps {
  /**
   * Does a swap; with the id of one that is under way or was done, joins that or tells what came of it. MODULE_BUSY,
   * MODULE_NOT_HOT_RELOADABLE, MODULE_STATE_CONFLICT, SWAP_ID_REUSED, what `plan` throws and what is wrong with a path.
   */
  run(request: SwapRequest): Promise<SwapOutcome>;
  /**
   * Gives up the swap of a module that is under way, and resolves to what came of it. SWAP_NOT_FOUND where there is
   * none, or none of that id; SWAP_COMMITTED where it has gone too far.
   */
  cancel(name: string, swapId: string, why: string): Promise<SwapOutcome>;
  /** What comes of a swap of that id, or came of it; undefined: there was none. SWAP_ID_REUSED. */
  recall(asked: AskedFor, listener?: SwapRequest["listener"]): Promise<SwapOutcome> | undefined;
  /** Lets a swap whose new version serves on trial go back; undefined: there is none. */
  goBack(name: string, why: string): Promise<SwapOutcome> | undefined;
  /** The swap whose new version of a module serves on trial, and which generation stands by; undefined: there is none. */
  onTrial(name: string): (Pick<SwapRequest, "modules" | "swapId"> & { readonly standby: number }) | undefined;
  /** The id of the swap of a module that is under way. */
  underWay(name: string): string | undefined;
}

interface Running {
  readonly swap: Swap;
  readonly events: SwapEvent[];
  readonly listeners: Set<(event: SwapEvent) => void>;
  readonly abort: AbortController;
  readonly goBack: (why: string) => void;
  readonly outcome: Promise<SwapOutcome>;
  /** Resolves when the outcome is in the journal, or nothing of the swap is. */
  readonly recorded: Promise<void>;
}

export function createSwaps(context: OperationContext, journal: Journal, tools: SwapTools, newId: () => string): Swaps {
  const running = new Map<string, { readonly digest: string; readonly begun: Promise<Running> }>();
  const underWay = new Set<Running>();
  /** Those that are being taken out of the journal, by key: which attempt of it. */
  const forgetting = new Map<string, symbol>();

  const join = async ({ events, listeners, outcome }: Running, listener: SwapRequest["listener"]) => {
    if (listener === undefined) return outcome;
    for (const event of events) listener(event);
    listeners.add(listener);
    return outcome.finally(() => listeners.delete(listener));
  };

  const memberOf = (name: string, request: SwapRequest, tell: (event: StepEvent) => void, pins: Pins): Member => {
    const before = getModule(context, name);
    const { record } = before;
    const planned = request.plan(before);
    const plan = { ...planned, code: async () => pins.hold(await planned.code()) };
    // Of one that is FAILED nothing runs that would be reloaded.
    const isReloaded = record.lifecycle.state !== "FAILED";
    if (isReloaded && !record.registration.hotReloadable) throw HeliosError.of("MODULE_NOT_HOT_RELOADABLE", { name });
    const now = serving(context, name) ?? servedLast(before);
    if (now === undefined) throw conflict(before, request.operation, "LOADED or ACTIVE");
    return {
      name,
      plan,
      before,
      ...now,
      steps: new Steps(context.clock, name, tell, (stack) => context.host.placeIn(stack)),
    };
  };

  const begin = (request: SwapRequest, swapId: string): Running => {
    const events: SwapEvent[] = [];
    const listeners = new Set<(event: SwapEvent) => void>();
    const tell = (event: SwapEvent): void => {
      events.push(event);
      for (const listener of [...listeners]) listener(event);
    };
    const pins = createPins(context.host);
    const members = request.modules.map((name) => memberOf(name, request, tell, pins));
    // What a swap goes back to may have to be started anew.
    for (const { before } of members) pins.hold(before.record.code);
    const abort = new AbortController();
    const cancelled = joined([abort.signal, context.closing]);
    const returning = Promise.withResolvers<string>();
    const swap: Swap = {
      id: swapId,
      modules: request.modules,
      members,
      // With nothing that could serve again there is no trial.
      terms: members.every(({ old }) => old !== undefined) ? request.terms : { ...request.terms, bakeMs: 0 },
      cancelled: cancelled.signal,
      committed: false,
      abandoned: false,
      fault: undefined,
      async enter(step) {
        // For people alone, until the commit: what cannot be noted holds nothing up.
        await journal.note(request.modules, swapId, { step, candidates: candidatesOf(swap) }).catch(() => {});
      },
      returning: returning.promise,
    };
    tell({ type: "begun", swapId });
    const recorded = Promise.withResolvers<void>();
    const outcome = work(swap, request.digest, recorded.resolve).finally(() => {
      pins.release();
      cancelled.release();
    });
    return { swap, events, listeners, abort, goBack: returning.resolve, outcome, recorded: recorded.promise };
  };

  /** Takes a swap out of the journal that left nothing behind: its id is free, at once for a retry of it. */
  const forget = async (modules: readonly string[], swapId: string): Promise<void> => {
    const key = keyOf(modules, swapId);
    const attempt = Symbol(key);
    forgetting.set(key, attempt);
    const stored = persistently(context, "that a swap came to nothing", async () => {
      // A retry has begun meanwhile: what is in the journal is its own.
      if (forgetting.get(key) === attempt) await journal.forget(modules, swapId);
    });
    await stored.catch(() => {});
    if (forgetting.get(key) === attempt) forgetting.delete(key);
  };

  const work = async (swap: Swap, digest: string, onRecorded: () => void): Promise<SwapOutcome> => {
    const { id: swapId, modules } = swap;
    try {
      await journal.begin({ swapId, digest, modules });
      const reports = await replace(context, journal, tools, swap);
      if (swap.fault !== undefined) {
        void forget(modules, swapId);
        onRecorded();
        return { swapId, swapped: false, reports, fault: swap.fault };
      }
      const ended = persistently(context, "how a swap ended", () =>
        journal.end(modules, swapId, Object.fromEntries(reports)),
      )
        .catch(() => {})
        .finally(onRecorded);
      // The next start would go back to what it says serves.
      if (swap.committed) await ended;
      const swapped = [...reports.values()].every((report) => report.swapped);
      return { swapId, swapped, reports, stayed: swap.stayed };
    } catch (error) {
      // Where everything is being stopped, what is in the journal is for the next start.
      if (!context.isClosing()) void forget(modules, swapId);
      onRecorded();
      throw error;
    }
  };

  const find = (name: string): Running | undefined => [...underWay].find(({ swap }) => swap.modules.includes(name));

  const onTrial = (name: string): Running | undefined => {
    const found = find(name);
    return found?.swap.committed && found.swap.terms.bakeMs > 0 ? found : undefined;
  };

  const recall: Swaps["recall"] = ({ modules, swapId, digest }, listener) => {
    const key = keyOf(modules, swapId);
    const found = running.get(key) ?? (forgetting.has(key) ? undefined : journal.find(modules, swapId));
    if (found === undefined) return undefined;
    checkSame(found, { swapId, digest });
    if ("begun" in found) return found.begun.then((one) => join(one, listener));
    return found.reports && Promise.resolve(outcomeOf(found, found.reports));
  };

  return {
    recall,

    async run(request) {
      const { modules, swapId, digest, operation, listener } = request;
      const id = swapId === "" ? newId() : swapId;
      const key = keyOf(modules, id);
      const earlier = recall({ modules, swapId: id, digest }, listener);
      if (earlier !== undefined) return earlier;
      const begun = Promise.withResolvers<Running>();
      // Who joins gets the same error; there may be nobody.
      begun.promise.catch(() => {});
      const entry = { digest, begun: begun.promise };
      running.set(key, entry);
      forgetting.delete(key);
      // A retry that comes while the outcome is still being stored gets it too.
      let recorded: Promise<void> | undefined;
      const free = (): void => {
        if (running.get(key) === entry) running.delete(key);
      };
      const work = async (): Promise<SwapOutcome> => {
        await request.check();
        const one = begin(request, id);
        underWay.add(one);
        recorded = one.recorded;
        begun.resolve(one);
        return join(one, listener).finally(() => underWay.delete(one));
      };
      try {
        return await (request.isAlone ? work() : context.operations.together(modules, operation, work));
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
      if (found === undefined || (swapId !== "" && found.swap.id !== swapId)) {
        throw HeliosError.of("SWAP_NOT_FOUND", { name, swap_id: swapId === "" ? "(any)" : swapId });
      }
      if (found.swap.committed) throw HeliosError.of("SWAP_COMMITTED", { name, swap_id: found.swap.id });
      found.abort.abort(new Error(why));
      return found.outcome;
    },

    goBack(name, why) {
      const found = onTrial(name);
      found?.goBack(why);
      return found?.outcome;
    },

    onTrial(name) {
      const swap = onTrial(name)?.swap;
      const member = swap?.members.find((one) => one.name === name);
      if (swap === undefined || member === undefined) return undefined;
      return { modules: swap.modules, swapId: swap.id, standby: member.from.running.generation };
    },

    underWay: (name) => find(name)?.swap.id,
  };
}

/** The same id with other content is another swap. */
export function checkSame(
  earlier: { readonly digest: string },
  { swapId, digest }: Pick<AskedFor, "swapId" | "digest">,
): void {
  if (earlier.digest !== digest) throw HeliosError.of("SWAP_ID_REUSED", { swap_id: swapId });
}

function candidatesOf({ members }: Swap): Record<string, number> {
  return Object.fromEntries(members.flatMap(({ name, candidate }) => (candidate ? [[name, candidate.number]] : [])));
}

function outcomeOf({ swapId }: SwapRecord, stored: Readonly<Record<string, SwapReport>>): SwapOutcome {
  const reports = new Map(Object.entries(stored));
  return { swapId, swapped: [...reports.values()].every(({ swapped }) => swapped), reports };
}
