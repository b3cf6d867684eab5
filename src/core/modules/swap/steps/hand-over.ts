import { joined } from "../../../../kernel/async/signal.ts";
import { unlessAborted, within } from "../../../async/deadline.ts";
import { isReason } from "../../../errors/error.ts";
import type { Generation } from "../../calls/generation/generation.ts";
import type { State } from "../../host/types/host.ts";
import { enter, forEach, type SwapContext } from "../state/context.ts";
import { beginPause, calledFirst, duringPause, hold, PAUSE_LIMIT_MS, type Pause, release } from "../state/pause.ts";
import type { GivenUp, HandedOver, HandedOverMember, StartedMember, Tested } from "../state/state.ts";
import { importState, underWayIn } from "../state/transfer.ts";

const STATE_LOST = "the old version had ended, and its state with it";

/** A member whose two versions have state. */
type Stateful = StartedMember & { readonly old: Generation };

/**
 * Hands the state of the old versions to the new ones, if both versions have state. All new calls of the swap's modules wait
 * meanwhile. First, everything in progress ends: calls, methods whose callers have left, and calls that the old versions
 * made of their own accord. The waiting calls continue in the new versions after the commit. If the swap fails, they continue
 * in the old versions, which have lost nothing.
 *
 * A call in progress never waits for a waiting call, because the calls that it makes are let through.
 */
export async function handOver(context: SwapContext, { members }: Tested): Promise<HandedOver | GivenUp> {
  const handedOver = new Map<string, HandedOverMember>();
  for (const member of members) {
    if (!isStateful(member)) handedOver.set(member.name, { ...member, stateLost: skip(member) });
  }
  try {
    const stateful = members.filter(isStateful);
    if (stateful.length > 0) {
      await enter(context, "hand_over", members);
      await transfer(context, members, stateful, (member, stateLost) =>
        handedOver.set(member.name, { ...member, stateLost }),
      );
    }
  } catch (error) {
    return { state: "GIVEN_UP", members: members.map((member) => handedOver.get(member.name) ?? member), error };
  }
  return { state: "HANDED_OVER", members: members.flatMap(({ name }) => handedOver.get(name) ?? []) };
}

function isStateful(member: StartedMember): member is Stateful {
  const { old, candidate, plan } = member;
  if (plan.discardState || old === undefined || old.ending !== undefined) return false;
  return old.instance.shape.hasState && candidate.instance.shape.hasState;
}

/** Skips the step. Returns whether state is lost by that. */
function skip({ old, plan, steps, candidate }: StartedMember): boolean {
  const [why, isLost] =
    old !== undefined && !old.instance.shape.hasState
      ? ["the old version has no state to hand over", false]
      : old === undefined && !candidate.instance.shape.hasState
        ? ["the new version does not take over state", false]
        : plan.discardState
          ? ["its state is discarded, as requested", false]
          : [
              old === undefined || old.ending !== undefined ? STATE_LOST : "the new version does not take over state",
              true,
            ];
  steps.skip("hand_over", why);
  return isLost;
}

/**
 * Hands over the state of these members. Calls `done` with each member when that is done, and with whether its state is lost.
 */
async function transfer(
  context: SwapContext,
  members: readonly StartedMember[],
  stateful: readonly Stateful[],
  done: (member: Stateful, stateLost: boolean) => void,
): Promise<void> {
  const { cancelled, plan } = context;
  const pause = beginPause(context, Math.min(...members.map((member) => pauseLimit(member, plan.terms.maxPauseMs))));
  // It is never released. Work that still runs after a failure must end when the swap's own signal is aborted.
  const { signal, abort } = joined([cancelled]);
  let isOver = false;
  hold(context, members, () => {
    abort(new Error("the queue of waiting calls was full"));
    // The old versions answer the waiting calls at once.
    if (!isOver) release(context, members);
  });
  // If an old version ends now, the waiting calls must not fail, because the new version can answer them.
  for (const { old } of members) if (old !== undefined) old.guard = () => {};
  const exports = exportStates(context, members, stateful, { ...pause, signal });
  const detail = (isLost: boolean): string => (isLost ? STATE_LOST : "");
  const options = { deadlineMs: pause.limitMs, keepsDeadline: true, signal, detail };
  await forEach(stateful, async (member) => {
    const isLost = await member.steps.take("hand_over", options, async () =>
      takeOver(member, await exports.get(member.name), pause),
    );
    done(member, isLost);
  });
  signal.throwIfAborted();
  isOver = true;
}

/** At most half of the call timeout, so that a call that waited still has time for its answer. */
function pauseLimit({ from }: StartedMember, asked = PAUSE_LIMIT_MS): number {
  return Math.min(asked, PAUSE_LIMIT_MS * 12, from.registration.callTimeoutMs / 2);
}

/** The state of an old version. Undefined if the version had ended. */
type Exported = { readonly state: State } | undefined;

type AbortablePause = Pause & { readonly signal: AbortSignal };

/**
 * Exports the state of each stateful member when nothing is in progress in it. The members export one after the other,
 * callers before those that they call. So changes that a caller still makes in other members are part of their state, and a
 * member that has exported makes no more calls.
 */
function exportStates(
  context: SwapContext,
  members: readonly StartedMember[],
  stateful: readonly Stateful[],
  pause: AbortablePause,
): ReadonlyMap<string, Promise<Exported>> {
  const isAsked = new Set(stateful.map(({ name }) => name));
  const callersFirst = calledFirst(context, members).toReversed();
  const last = callersFirst.findLastIndex(({ name }) => isAsked.has(name));
  const exports = new Map<string, Promise<Exported>>();
  let before: Promise<unknown> = drain(context, members, pause);
  for (const { name, old } of callersFirst.slice(0, last + 1)) {
    const exported = before.then(() => exportState(old, isAsked.has(name), pause));
    // The step that awaits this promise reports its failure. There may be no such step.
    exported.catch(() => {});
    exports.set(name, exported);
    before = exported;
  }
  return exports;
}

/** Resolves when no call is in progress in any old generation. They may call each other. */
async function drain(
  { clock }: SwapContext,
  members: readonly StartedMember[],
  { limitMs, left, signal }: AbortablePause,
): Promise<void> {
  const busy = (): Generation[] => members.flatMap(({ old }) => (old !== undefined && old.inFlight > 0 ? [old] : []));
  const late = (): Error => {
    const [first] = busy();
    const { inFlight = 0, running } = first ?? {};
    return new Error(`${inFlight} calls were still under way in version ${running?.version} after ${limitMs} ms`);
  };
  for (let some = busy(); some.length > 0; some = busy()) {
    const idle = Promise.all(some.map((generation) => generation.idle()));
    await unlessAborted(signal, within(clock, left(), idle, late));
  }
}

async function exportState(old: Generation | undefined, isStateful: boolean, pause: AbortablePause): Promise<Exported> {
  if (old === undefined || old.ending !== undefined) return undefined;
  const { limitMs, signal } = pause;
  signal.throwIfAborted();
  const { instance, fence, running } = old;
  try {
    const taken = duringPause(pause, async (timeoutMs) => {
      if (isStateful) return { state: await instance.exportState(timeoutMs) };
      await instance.becomeQuiet(timeoutMs);
      return undefined;
    });
    const exported = await unlessAborted(signal, taken);
    // The calls that it makes of its own accord wait until it is decided which version serves.
    fence.freeze();
    return exported;
  } catch (error) {
    if (old.ending !== undefined) return undefined;
    const goesOn = underWayIn(old);
    if (!isReason(error, "MODULE_DEADLINE_EXCEEDED") || goesOn === "") throw error;
    throw new Error(`${goesOn}, in version ${running.version} after ${limitMs} ms`, { cause: error });
  }
}

/** Resolves to whether the state is lost. */
async function takeOver({ old, candidate }: Stateful, exported: Exported, pause: Pause): Promise<boolean> {
  if (exported !== undefined) {
    await duringPause(pause, (timeoutMs) => importState(old, candidate, exported.state, timeoutMs));
  }
  await duringPause(pause, (timeoutMs) => candidate.instance.checkHealth(timeoutMs));
  return exported === undefined;
}
