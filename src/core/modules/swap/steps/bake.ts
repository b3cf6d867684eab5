import { type Joined, joined } from "../../../../kernel/async/signal.ts";
import { HeliosError, messageOf } from "../../../errors/error.ts";
import { breakerOf } from "../../calls/call.ts";
import { onEnd } from "../../host/types/ended.ts";
import { findBreaker, openedBy } from "../../operations/module-breaker.ts";
import { persist, persistently } from "../../operations/persist.ts";
import { judgeBake } from "../judging/bake-judge.ts";
import { observe } from "../judging/observe.ts";
import type { SwapContext } from "../state/context.ts";
import { release, unguard } from "../state/pause.ts";
import type { Baked, Committed, CommittedMember, Kept, Returned } from "../state/state.ts";
import { drainOld } from "./end.ts";
import { goBack } from "./go-back.ts";

/**
 * Runs the bake, if the plan has one: the new versions serve while the old ones complete their calls and stand by. Without a
 * bake, the new versions are kept. Rejects if the service stops. The journal then says what serves after the restart.
 */
export async function bakeOrKeep(context: SwapContext, { members }: Committed): Promise<Kept | Returned> {
  const draining = drainOld(context, members);
  if (context.plan.terms.bakeMs === 0) return { state: "KEPT", members, draining };
  try {
    const baked = await bakeAll(context, members);
    if (baked.state === "KEPT") await makePermanent(context, baked.members);
    else unguard(baked.members);
    return { ...baked, draining };
  } catch (error) {
    draining.stop();
    throw error;
  }
}

async function bakeAll(context: SwapContext, members: readonly CommittedMember[]): Promise<Baked> {
  try {
    await bake(context, members);
    return { state: "KEPT", members };
  } catch (error) {
    if (context.isClosing()) throw HeliosError.of("SERVER_DRAINING", {}, { cause: error });
    return goBack(context, members, messageOf(error));
  }
}

async function makePermanent(context: SwapContext, members: readonly CommittedMember[]): Promise<void> {
  const { journal, plan } = context;
  await persistently(context, "the end of a bake", () => journal.note(plan, { phase: "PERMANENT", step: "stop" }));
  unguard(members);
  for (const { name } of members) {
    // The supervisor follows this change. It also treats a new version that ended in the last moment as crashed.
    await persist(context, name, { action: "EndBake" }, ({ bake: _, ...record }) => record);
  }
  release(context, members);
}

/**
 * Resolves when the time of the bake is over. Rejects with the reason if the old versions must serve again: a new version
 * ended, its breaker opened, too many of its calls failed, it is unhealthy, or a rollback was requested.
 */
async function bake(context: SwapContext, members: readonly CommittedMember[]): Promise<void> {
  const { closing, returning, plan } = context;
  const { bakeMaxErrorRate: maxErrorRate, bakeMinCalls: minCalls } = plan.terms;
  const over = joined([closing]);
  void returning.then((why) => over.abort(new Error(why)));
  const baking = members.map((member) => {
    const { candidate } = member;
    const reading = candidate.gauge.read();
    return bakeOne(context, member, over, () => {
      if (candidate.ending !== undefined) throw new Error(`it ended: ${candidate.ending.description}`);
      const problem = judgeBake(candidate.gauge.since(reading), { maxErrorRate, minCalls });
      if (problem !== undefined) throw new Error(problem);
      const { verdict } = candidate.health;
      if (verdict !== undefined) throw new Error(verdict);
    });
  });
  await Promise.all(baking).finally(over.release);
}

async function bakeOne(
  context: SwapContext,
  { name, steps, candidate, breakerEpoch }: CommittedMember,
  over: Joined,
  look: () => void,
): Promise<void> {
  const { bakeMs } = context.plan.terms;
  const breaker = breakerOf(name);
  const options = { deadlineMs: bakeMs, keepsDeadline: true, signal: over.signal };
  let stopListening = (): void => {};
  try {
    await steps.take("bake", options, async () => {
      // If the breaker opened before the bake, calls of the old version opened it.
      const epoch = findBreaker(context, name)?.epoch ?? 0;
      let opened = openedBy(context, name) === "FAILURES" && epoch > breakerEpoch;
      const { again, done } = observe(context.clock, bakeMs, over.signal, () => {
        look();
        if (opened) throw new Error(`its breaker ${breaker} opened`);
        return false;
      });
      const stopped = context.breakers.onTransition(breaker, ({ state, override }) => {
        opened ||= state === "OPEN" && override === undefined;
        again();
      });
      candidate.gauge.listener = (failed) => failed && again();
      candidate.health.listener = again;
      const offEnd = onEnd(candidate.instance, again);
      stopListening = () => {
        stopped();
        offEnd();
      };
      await done;
    });
  } catch (error) {
    // The bakes of the other modules end too.
    over.abort(new Error(`module ${name} went back: ${messageOf(error)}`));
    throw error;
  } finally {
    stopListening();
    candidate.gauge.listener = undefined;
    candidate.health.listener = undefined;
  }
}
