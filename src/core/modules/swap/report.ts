import { type HeliosError, messageOf } from "../../errors/error.ts";
import { chosenVersion } from "../host/values/version.ts";
import { getModule, type OperationContext } from "../operations/context.ts";
import { remember, rememberEnd } from "../record/history.ts";
import { type Module, moduleNotFound } from "../record/record.ts";
import type { SwapReport } from "../record/report.ts";
import type { SwapContext } from "./state/context.ts";
import { type Ended, type PlannedMember, servedBy, type UncommittedMember } from "./state/state.ts";

/** The outcome of a swap. */
export interface SwapOutcome {
  readonly swapId: string;
  readonly swapped: boolean;
  /** The reports by module. */
  readonly reports: ReadonlyMap<string, SwapReport>;
  /** The error of the store or the machine that ended the swap. Absent: no such error. The same swap can be requested again. */
  readonly fault?: HeliosError | undefined;
  /** Why a new version continues to serve although its bake failed. */
  readonly stayed?: string | undefined;
}

/** The result of the swap of one module. If it is not `swapped`, the old version serves. */
export interface SwapResult extends SwapReport {
  readonly module: Module;
}

/** Throws MODULE_NOT_FOUND if the module has been deleted meanwhile. */
export function resultOf(context: OperationContext, { reports }: SwapOutcome, name: string): SwapResult {
  const module = getModule(context, name);
  const report = reports.get(name);
  if (report === undefined) throw moduleNotFound(name);
  return { ...report, module };
}

/** Returns the outcome of a swap with these reports. */
export function outcomeOf(swapId: string, reports: ReadonlyMap<string, SwapReport>): SwapOutcome {
  return { swapId, swapped: [...reports.values()].every(({ swapped }) => swapped), reports };
}

/** Returns the report of each module. Stores it in the records of the modules that the swap changed, or tried to change. */
export async function conclude(
  context: SwapContext,
  planned: readonly PlannedMember[],
  ended: Ended,
): Promise<ReadonlyMap<string, SwapReport>> {
  const changed = new Map<string, UncommittedMember>(ended.members.map((member) => [member.name, member]));
  const reports = new Map<string, SwapReport>();
  for (const one of planned) {
    const member = changed.get(one.name);
    const outcome = member === undefined ? "UNCHANGED" : ended.outcome;
    const report = reportOf(context, member ?? one, outcome, ended);
    reports.set(one.name, report);
    if (member !== undefined) await store(context, member, report, ended);
  }
  return reports;
}

function reportOf(
  { plan: swap, clock }: SwapContext,
  member: UncommittedMember,
  outcome: Ended["outcome"],
  { members }: Ended,
): SwapReport {
  const { steps, plan, from } = member;
  const swapped = outcome === "KEPT" || outcome === "UNCHANGED";
  const failed = steps.failed ?? members.map((other) => other.steps.failed).find((step) => step !== undefined);
  return {
    swapId: swap.swapId,
    swapped,
    unchanged: outcome === "UNCHANGED",
    stateLost: isStateLost(member, outcome),
    fromVersion: from.running.version,
    toVersion: "candidate" in member ? member.candidate.running.version : chosenVersion(plan.version),
    ...(swapped || failed === undefined ? {} : { failedStep: failed.name, failure: failed.detail }),
    steps: steps.list,
    ...steps.findings,
    time: clock.now(),
  };
}

/** Whether the version that serves after the swap lacks the state of its predecessor, although nobody asked for that. */
function isStateLost(member: UncommittedMember, outcome: Ended["outcome"]): boolean {
  const { old } = member;
  // After a swap that was given up, the old version still has its state, unless it ended by itself.
  if (outcome === "GIVEN_UP" && old !== undefined) {
    return old.ending?.expected === false && old.instance.shape.hasState;
  }
  return "stateLost" in member && member.stateLost;
}

async function store(
  context: SwapContext,
  member: UncommittedMember,
  lastSwap: SwapReport,
  { outcome }: Ended,
): Promise<void> {
  const { name, from } = member;
  const time = context.clock.now();
  try {
    await context.collection.change(name, context.plan.cause, (current) => {
      if (current === undefined) return undefined;
      const record = { ...current.record, lastSwap };
      if (!("candidate" in member)) return record;
      if (lastSwap.swapped) return rememberEnd(record, from.running.generation, "replaced", time);
      const { running, number } = member.candidate;
      const end = `${lastSwap.failedStep}: ${lastSwap.failure}`;
      const life = { served: outcome === "RETURNED", startTime: running.loadTime, endTime: time, end };
      return { ...remember(record, servedBy(member), life), starts: Math.max(record.starts, number) };
    });
  } catch (error) {
    context.log("modules", "error", `the report of a swap of module ${name} was not stored`, {
      error: messageOf(error),
    });
  }
}
