import { persist } from "../../operations/persist.ts";
import { remember } from "../../record/history.ts";
import { transition } from "../../record/lifecycle.ts";
import type { ModuleRecord, Served } from "../../record/record.ts";
import type { SwapContext } from "./context.ts";
import type { CommittedMember } from "./state.ts";

/**
 * Stores in the records of the modules which version serves by the journal. The decision is final, so a failed write is
 * repeated.
 */
export async function storeServing(
  context: SwapContext,
  members: readonly CommittedMember[],
  side: "from" | "to",
): Promise<void> {
  const { swapId, cause, terms } = context.plan;
  await Promise.all(
    members.map((member) => {
      const started = side === "to" ? member.candidate : member.old;
      const served = side === "to" ? member.switched.to : member.from;
      const standbyEnd = member.old?.ending && { standbyEnd: member.old.ending.description };
      const baking = side === "to" && terms.bakeMs > 0;
      const bake = baking && { swapId, until: context.clock.now() + terms.bakeMs, ...standbyEnd };
      return persist(context, member.name, cause, (record) => {
        const remembered = remember(record, served, { served: true, startTime: (started ?? served).running.loadTime });
        return { ...serve(remembered, served, member.plan.activate), ...(bake && { bake }) };
      });
    }),
  );
}

/** Returns the record of a module that this version serves from now on. It has no `bake`. */
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
