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
  /** Aborted to cancel the swap, and when everything is being stopped. Has no effect from the commit on. */
  readonly cancelled: AbortSignal;
  /** Resolves to why versions that serve on trial are to go back at once. */
  readonly returning: Promise<string>;
}

/** Notes in the journal that a step begins. For people alone: where the store refuses, the swap goes on. */
export async function enter(
  { plan, journal }: SwapContext,
  step: StepName,
  members: readonly UncommittedMember[],
): Promise<void> {
  const candidates = Object.fromEntries(startedOf(members).map(({ name, candidate }) => [name, candidate.number]));
  await journal.note(plan.modules, plan.swapId, { step, candidates }).catch(() => {});
}

/** Does something for all members at once; rejects with the first failure when all have ended. */
export async function forEach<M, R>(members: readonly M[], work: (member: M) => Promise<R>): Promise<readonly R[]> {
  const outcomes = await Promise.allSettled(members.map((member) => Promise.try(work, member)));
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}
