import { findBreaker } from "../../operations/module-breaker.ts";
import { forEach, type SwapContext } from "../state/context.ts";
import { guard, unguardOld } from "../state/pause.ts";
import { storeServing } from "../state/records.ts";
import {
  type Committed,
  type CommittedMember,
  type GivenUp,
  type HandedOver,
  type HandedOverMember,
  servedBy,
} from "../state/state.ts";

/**
 * The point of no return. When the entry of `journal.note` is durable, the journal calls `flip`, which lets all new versions
 * serve, in one tick. The records of the modules are stored afterwards.
 */
export async function commit(context: SwapContext, { members }: HandedOver): Promise<Committed | GivenUp> {
  const committing = members.map((member) => committingOf(context, member));
  if (context.plan.terms.bakeMs > 0) guard(context, committing);
  const stored = store(context, committing);
  try {
    await forEach(members, ({ steps }) => steps.take("commit", {}, () => stored));
  } catch (error) {
    return { state: "GIVEN_UP", members, error };
  }
  unguardOld(context, members);
  await storeServing(context, committing, "to");
  return { state: "COMMITTED", members: committing };
}

function committingOf(context: SwapContext, member: HandedOverMember): CommittedMember {
  const { name, from, plan } = member;
  const to = servedBy(member);
  const running = { ...to.running, loadTime: context.clock.now() };
  const switched = { from, to: { ...to, running }, activate: plan.activate };
  return { ...member, switched, breakerEpoch: findBreaker(context, name)?.epoch ?? 0 };
}

/** Checks for a cancellation and begins the write in the same tick. A later cancellation is too late. */
async function store({ plan, journal, cancelled }: SwapContext, members: readonly CommittedMember[]): Promise<void> {
  for (const { candidate } of members) {
    if (candidate.ending !== undefined) throw new Error(`the new version ended: ${candidate.ending.description}`);
  }
  cancelled.throwIfAborted();
  const phase = plan.terms.bakeMs > 0 ? "TRIAL" : "PERMANENT";
  const switches = Object.fromEntries(members.map(({ name, switched }) => [name, switched]));
  await journal.note(plan, { phase, step: "commit", switches });
}
