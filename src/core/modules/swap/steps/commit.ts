import type { Generation } from "../../calls/generation/generation.ts";
import type { OperationContext } from "../../operations/context.ts";
import { findBreaker } from "../../operations/module-breaker.ts";
import { forEach, type SwapContext } from "../state/context.ts";
import type { SwapRecord } from "../state/journal.ts";
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
 * The point of no return. When the journal entry is durable, `flip` lets all new versions serve, in one tick. The records of
 * the modules are stored afterwards.
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

/** Routes the calls of all modules of a swap by its journal entry, in one tick. */
export function flip(
  context: Pick<OperationContext, "router" | "generations">,
  { phase, switches = {} }: SwapRecord,
): void {
  if (phase !== "TRIAL" && phase !== "PERMANENT" && phase !== "RETURNED") return;
  const leaving = new Map<string, Generation>();
  const many = Object.keys(switches).length > 1;
  for (const [name, { from, to, activate }] of Object.entries(switches)) {
    const [serving, other] = phase === "RETURNED" ? [from, to] : [to, from];
    const next = context.generations.find(name, serving.running.generation);
    const last = context.generations.find(name, other.running.generation);
    if (last !== undefined) {
      last.retire(phase === "TRIAL" ? "STANDBY" : "DRAINING");
      // The calls that it makes while it completes its own go to the old versions of its peers.
      last.peers = leaving;
      if (many) leaving.set(name, last);
    }
    next?.fence.open();
    if (next === undefined || (!activate && context.router.lane(name).generation === undefined)) continue;
    next.peers = new Map();
    next.serve();
    context.router.lane(name).route(next, serving.registration.concurrency);
  }
}
