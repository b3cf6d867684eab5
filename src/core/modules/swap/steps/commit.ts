import type { Generation } from "../../calls/generation.ts";
import type { OperationContext } from "../../operations/context.ts";
import { persist } from "../../operations/persist.ts";
import { remember } from "../../record/history.ts";
import { transition } from "../../record/lifecycle.ts";
import type { ModuleRecord, Served } from "../../record/record.ts";
import type { Journal, SwapRecord, Switch } from "../state/journal.ts";
import { type Swap, servedBy } from "../state/member.ts";

/**
 * The point of no return: once the journal has it, the new versions serve, all of them from the same tick on (`flip`).
 * The records of the modules follow with `storeSwitch`.
 */
export async function commit(context: OperationContext, journal: Journal, swap: Swap): Promise<void> {
  const switches: Record<string, Switch> = {};
  for (const member of swap.members) {
    const { name, candidate, from, plan } = member;
    if (candidate?.ending !== undefined) throw new Error(`the new version ended: ${candidate.ending.description}`);
    const to = servedBy(member);
    const running = { ...to.running, loadTime: context.clock.now() };
    switches[name] = { from, to: { ...to, running }, activate: plan.activate };
  }
  swap.cancelled.throwIfAborted();
  swap.committed = true;
  const phase = swap.terms.bakeMs > 0 ? "TRIAL" : "PERMANENT";
  try {
    await journal.note(swap.modules, swap.id, { phase, step: "commit", switches });
  } catch (error) {
    swap.committed = false;
    throw error;
  }
}

/** Brings the records of the modules to what the journal says serves. It does not give up: that is decided. */
export async function storeSwitch(context: OperationContext, swap: Swap, side: "from" | "to"): Promise<void> {
  const { cause, bakeMs } = swap.terms;
  await Promise.all(
    swap.members.map((member) => {
      const served = side === "to" ? servedBy(member) : member.from;
      const standbyEnd = member.old?.ending && { standbyEnd: member.old.ending.description };
      const trial = { swapId: swap.id, until: context.clock.now() + bakeMs, ...standbyEnd };
      const bake = side === "to" && bakeMs > 0 ? trial : undefined;
      return persist(context, member.name, cause, (record) => {
        const remembered = remember(record, served, { served: true, startTime: context.clock.now() });
        return { ...serve(remembered, served, member.plan.activate), ...(bake && { bake }) };
      });
    }),
  );
}

/** The record of a module that this serves from now on. Without `bake`. */
export function serve(
  record: ModuleRecord,
  { registration, code, configVersion, running }: Served,
  activate: boolean,
): ModuleRecord {
  const { bake: _, ...rest } = record;
  const lifecycle = transition(record.lifecycle, { type: "replace", running, activate }) ?? record.lifecycle;
  return {
    ...rest,
    registration,
    code,
    configVersion,
    lifecycle,
    desired: activate ? "ACTIVE" : record.desired,
    generation: running.generation,
    starts: Math.max(record.starts, running.generation),
  };
}

/** Sends the calls where the journal says, in one tick for all modules of a swap. */
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
      // What it still has to answer stays among those that it was made for.
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
