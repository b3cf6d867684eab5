import { joined } from "../../../kernel/async/signal.ts";
import type { OperationContext } from "../operations/context.ts";
import { persistently } from "../operations/persist.ts";
import { conclude, outcomeOf, type SwapOutcome } from "./report.ts";
import type { SwapContext } from "./state/context.ts";
import { createEvents, type SwapEvents, type SwapListener } from "./state/events.ts";
import type { Journal } from "./state/journal.ts";
import { createPins } from "./state/pins.ts";
import type { SwapPlan } from "./state/plan.ts";
import { type Ended, isDecided, type Planned, type PlannedMember, type SwapState } from "./state/state.ts";
import { Steps } from "./state/steps.ts";
import { bakeOrKeep } from "./steps/bake.ts";
import { commit } from "./steps/commit.ts";
import { giveUp, stopCandidates, stopOld } from "./steps/end.ts";
import { handOver } from "./steps/hand-over.ts";
import { rehearse, type SwapTools } from "./steps/rehearse.ts";
import { start, verify } from "./steps/start.ts";

/** A swap in progress, as other parts see it. */
export interface UnderWay {
  readonly plan: SwapPlan;
  /** Whether the commit has begun. From then on, the swap cannot be cancelled. */
  readonly isDecided: boolean;
  /** The modules that change, with the data of their current state. */
  readonly members: readonly PlannedMember[];
  /** Resolves to the outcome. `listener` is called with all events, the past ones first. */
  join(listener?: SwapListener): Promise<SwapOutcome>;
  cancel(why: string): void;
  /** Ends the bake, so that the old versions serve again. */
  goBack(why: string): void;
  /** Resolves when the outcome is in the journal, or the swap has been removed from the journal. */
  readonly recorded: Promise<void>;
}

export interface RunDeps {
  readonly context: OperationContext;
  readonly journal: Journal;
  readonly tools: SwapTools;
  /** Removes a swap that had no effect from the journal. */
  forget(plan: SwapPlan): void;
}

/** Begins a swap. The caller must make sure that no other operation runs on the modules meanwhile. */
export function beginSwap(deps: RunDeps, plan: SwapPlan): UnderWay {
  const { context, journal } = deps;
  const { swapId, content, modules, changes } = plan;
  const events = createEvents();
  const pins = createPins(context.host);
  // An old version may have to be started again.
  for (const { before } of changes) pins.hold(before.record.code);
  const cancelled = joined([context.closing]);
  const { promise: returning, resolve: goBack } = Promise.withResolvers<string>();
  const recorded = Promise.withResolvers<void>();
  const swap: SwapContext = { ...context, plan, journal, pins, cancelled: cancelled.signal, returning };
  const planned: Planned = { state: "PLANNED", members: membersOf(swap, events) };
  let state: SwapState = planned;
  const run = async (): Promise<SwapOutcome> => {
    try {
      await journal.begin({ swapId, content, modules });
      const ended = await walk(swap, deps.tools, planned, (next) => {
        state = next;
      });
      return await settle(deps, swap, planned, ended, recorded.resolve);
    } catch (error) {
      // When the service stops, the next start needs the journal.
      if (!context.isClosing()) deps.forget(plan);
      recorded.resolve();
      throw error;
    }
  };
  events.publish({ type: "begun", swapId });
  const outcome = run().finally(() => {
    pins.release();
    cancelled.release();
  });
  return {
    plan,
    get isDecided() {
      return isDecided(state);
    },
    get members() {
      return state.members;
    },
    // If a listener throws, only the wait of its own caller rejects.
    async join(listener) {
      return listener === undefined ? outcome : outcome.finally(events.listen(listener));
    },
    cancel: (why) => cancelled.abort(new Error(why)),
    goBack,
    recorded: recorded.promise,
  };
}

function membersOf({ plan, clock, host }: SwapContext, { publish }: SwapEvents): readonly PlannedMember[] {
  return plan.changes.map((change) => {
    const { name, serving } = change;
    return { name, plan: change, steps: new Steps(clock, name, publish, (stack) => host.placeIn(stack)), ...serving };
  });
}

/** Takes a swap from one state to the next until it has ended. Publishes each state before the next step begins. */
async function walk(
  context: SwapContext,
  tools: SwapTools,
  planned: Planned,
  publish: (state: SwapState) => void,
): Promise<Ended> {
  let state: SwapState = planned;
  while (state.state !== "ENDED") {
    state = await takeStep(context, tools, state);
    publish(state);
  }
  return state;
}

function takeStep(
  context: SwapContext,
  tools: SwapTools,
  state: Exclude<SwapState, Ended>,
): Promise<SwapState> | SwapState {
  switch (state.state) {
    case "PLANNED":
      return verify(context, state);
    case "VERIFIED":
      return start(context, state);
    case "STARTED":
      return rehearse(context, tools, state);
    case "TESTED":
      return handOver(context, state);
    case "HANDED_OVER":
      return commit(context, state);
    case "GIVEN_UP":
      return giveUp(context, state);
    case "COMMITTED":
      return bakeOrKeep(context, state);
    case "KEPT":
      return stopOld(context, state);
    case "RETURNED":
      return stopCandidates(context, state);
  }
}

/** Stores the outcome of a swap. Calls `onRecorded` when the journal has the outcome, or no entry of the swap any more. */
async function settle(
  { forget, journal }: RunDeps,
  context: SwapContext,
  { members }: Planned,
  ended: Ended,
  onRecorded: () => void,
): Promise<SwapOutcome> {
  const { swapId } = context.plan;
  const reports = await conclude(context, members, ended);
  if (ended.outcome === "GIVEN_UP" && ended.fault !== undefined) {
    forget(context.plan);
    onRecorded();
    return { swapId, swapped: false, reports, fault: ended.fault };
  }
  const stored = persistently(context, "the end of a swap", () =>
    journal.end(context.plan, Object.fromEntries(reports)),
  )
    .catch(() => {})
    .finally(onRecorded);
  // Until it is stored, a restart of the service would follow the entry of a swap that has not ended.
  if (isDecided(ended)) await stored;
  const stayed = ended.outcome === "KEPT" ? ended.stayed : undefined;
  return { ...outcomeOf(swapId, reports), stayed };
}
