import type { OperationContext } from "../../operations/context.ts";
import type { StepName } from "../../record/report.ts";
import type { Journal } from "./journal.ts";
import type { Pins } from "./pins.ts";
import type { SwapPlan } from "./plan.ts";
import { startedOf, type UncommittedMember } from "./state.ts";

/** What the steps of one swap share. */
export interface SwapContext extends OperationContext {
  readonly plan: SwapPlan;
  readonly journal: Journal;
  readonly pins: Pins;
  /** Aborted if the swap is cancelled or the service stops. Has no effect from the commit on. */
  readonly cancelled: AbortSignal;
  /** Resolves with the reason if the bake is to end at once, so that the old versions serve again. */
  readonly returning: Promise<string>;
}

/** Stores in the journal that a step begins. This is only information: if the write fails, the swap continues. */
export async function enter(
  { plan, journal }: SwapContext,
  step: StepName,
  members: readonly UncommittedMember[],
): Promise<void> {
  const candidates = Object.fromEntries(startedOf(members).map(({ name, candidate }) => [name, candidate.number]));
  await journal.note(plan, { step, candidates }).catch(() => {});
}

/** Does the work for all members at once. Waits for all of them, and then rejects with the first failure, if there is one. */
export async function forEach<M, R>(members: readonly M[], work: (member: M) => Promise<R>): Promise<readonly R[]> {
  const outcomes = await Promise.allSettled(members.map((member) => Promise.try(work, member)));
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}
