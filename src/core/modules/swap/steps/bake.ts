import { messageOf } from "../../../errors/error.ts";
import { breakerOf } from "../../calls/router.ts";
import { onEnd } from "../../host/types/ended.ts";
import type { OperationContext } from "../../operations/context.ts";
import { findBreaker, openedBy } from "../../operations/module-breaker.ts";
import { judgeBake } from "../judging/bake-judge.ts";
import { observe } from "../judging/observe.ts";
import type { Member, Swap } from "../state/member.ts";
import { hold } from "./hand-over.ts";

/**
 * Lets the new versions serve on trial while the old ones stand by. Resolves when the time is over; rejects with why they
 * are to go back: one ended, its breaker opened, too many of its calls failed, it is unhealthy, or somebody asked for it.
 */
export async function bake(context: OperationContext, swap: Swap): Promise<void> {
  const { members, terms } = swap;
  const over = new AbortController();
  swap.returning.then((why) => over.abort(new Error(why)));
  const close = (): void => over.abort(context.closing.reason);
  context.closing.addEventListener("abort", close, { once: true });
  const readings = members.map(({ candidate }) => candidate?.gauge.read());
  const look = (member: Member, index: number): void => {
    const { candidate } = member;
    const reading = readings[index];
    if (candidate === undefined || reading === undefined) return;
    if (candidate.ending !== undefined) throw new Error(`it ended: ${candidate.ending.description}`);
    const problem = judgeBake(candidate.gauge.since(reading), terms.bake);
    if (problem !== undefined) throw new Error(problem);
    const { verdict } = candidate.health;
    if (verdict !== undefined) throw new Error(verdict);
  };
  const baking = members.map((member, index) =>
    bakeOne(context, member, terms.bakeMs, over, () => look(member, index)),
  );
  await Promise.all(baking).finally(() => context.closing.removeEventListener("abort", close));
}

async function bakeOne(
  context: OperationContext,
  member: Member,
  bakeMs: number,
  over: AbortController,
  look: () => void,
): Promise<void> {
  const { name, steps, candidate } = member;
  const breaker = breakerOf(name);
  const options = { deadlineMs: bakeMs, keepsDeadline: true, signal: over.signal };
  let stopListening = (): void => {};
  try {
    await steps.take("bake", options, async () => {
      let opened = openedSince(context, member);
      const { again, done } = observe(context.clock, bakeMs, over.signal, () => {
        look();
        if (opened) throw new Error(`its breaker ${breaker} opened`);
        return false;
      });
      const stopped = context.breakers.onTransition(breaker, ({ state, override }) => {
        opened ||= state === "OPEN" && override === undefined;
        again();
      });
      if (candidate !== undefined) {
        candidate.gauge.listener = (failed) => failed && again();
        candidate.health.listener = again;
      }
      const offEnd = candidate && onEnd(candidate.instance, again);
      stopListening = () => {
        stopped();
        offEnd?.();
      };
      await done;
    });
  } catch (error) {
    // The others need not wait for their time.
    over.abort(new Error(`module ${member.name} went back: ${messageOf(error)}`));
    throw error;
  } finally {
    stopListening();
    if (candidate !== undefined) {
      candidate.gauge.listener = undefined;
      candidate.health.listener = undefined;
    }
  }
}

/** Whether the breaker opened since the trial was about to begin: before, it spoke of the old version. */
function openedSince(context: OperationContext, { name, breakerEpoch = 0 }: Member): boolean {
  return openedBy(context, name) === "FAILURES" && (findBreaker(context, name)?.epoch ?? 0) > breakerEpoch;
}

/** Before the trial begins. Keeps calls from a version that ends in it: they wait for the old one. */
export function guard(context: OperationContext, swap: Swap): void {
  for (const member of swap.members) {
    member.breakerEpoch = findBreaker(context, member.name)?.epoch;
    if (member.candidate !== undefined) member.candidate.guard = () => hold(context, swap.members, () => {});
  }
}

export function unguard(swap: Swap): void {
  for (const { candidate } of swap.members) if (candidate !== undefined) candidate.guard = undefined;
}
