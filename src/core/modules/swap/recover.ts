import type { OperationContext } from "../operations/context.ts";
import { remember } from "../record/history.ts";
import type { ModuleRecord } from "../record/record.ts";
import type { SwapReport } from "../record/report.ts";
import { rollbackOf } from "./bake-rollbacks.ts";
import type { Journal, SwapKey, SwapRecord } from "./state/journal.ts";
import { serve } from "./state/records.ts";

const CAUSE = { action: "RecoverSwap", reason: "the service ended in the middle of a swap" };

/** Ends the swaps that the last run of the service left, before any module is started. */
export async function recoverSwaps(context: OperationContext, journal: Journal): Promise<void> {
  const unended = journal.unended();
  for (const swap of unended.filter(({ returns }) => returns === undefined)) {
    const reports: Record<string, SwapReport> = {};
    for (const name of swap.modules) {
      await context.collection.change(name, CAUSE, (current) => {
        if (current === undefined) return undefined;
        const { record } = current;
        const lastSwap =
          record.lastSwap?.swapId === swap.swapId ? record.lastSwap : reportOf(context, swap, name, record);
        reports[name] = lastSwap;
        // It had ended, but its end could not be stored.
        if (hasGoneOn(swap, name, record)) return undefined;
        const starts = Math.max(record.starts, swap.candidates[name] ?? 0);
        return { ...settled(swap, name, record), starts, lastSwap };
      });
    }
    await journal.end(swap, reports);
  }
  for (const rollback of unended) {
    if (rollback.returns !== undefined) await endRollback(context, journal, rollback, rollback.returns);
  }
}

/** Ends a rollback that was to end the bake of a swap. Its outcome is that of the swap, which has ended by now. */
async function endRollback(
  context: OperationContext,
  journal: Journal,
  rollback: SwapRecord,
  returned: SwapKey,
): Promise<void> {
  const { modules, swapId } = rollback;
  const swapReports = journal.find(returned)?.reports ?? {};
  const reports = modules.map((name) => {
    const ended = swapReports[name];
    const record = context.collection.get(name)?.record;
    if (ended?.swapped === false) return [name, rollbackOf(ended, swapId)];
    return [name, record && reportOf(context, rollback, name, record)];
  });
  await journal.end(rollback, Object.fromEntries(reports.filter(([, report]) => report !== undefined)));
}

/** Whether a generation serves that is newer than the swap. */
function hasGoneOn({ switches = {}, candidates }: SwapRecord, name: string, { generation }: ModuleRecord): boolean {
  // A swap that has switched keeps the module until its end is stored.
  return switches[name] === undefined && generation > (candidates[name] ?? Number.POSITIVE_INFINITY);
}

/** The record with the version that the journal says serves. */
function settled({ phase, switches = {} }: SwapRecord, name: string, record: ModuleRecord): ModuleRecord {
  const change = switches[name];
  if (change === undefined) return record;
  const { from, to, activate } = change;
  const served = phase === "PERMANENT" ? to : from;
  const remembered = remember(record, to, { served: true, startTime: to.running.loadTime });
  return serve(remembered, served, activate);
}

function reportOf({ clock }: OperationContext, swap: SwapRecord, name: string, record: ModuleRecord): SwapReport {
  const { swapId, phase, step, switches = {} } = swap;
  const swapped = phase === "PERMANENT";
  const { from, to } = switches[name] ?? {};
  const running = "running" in record.lifecycle ? record.lifecycle.running.version : record.registration.version;
  const failure = "the service ended in this step";
  return {
    swapId,
    swapped,
    unchanged: false,
    // A restart of the service keeps no state of modules.
    stateLost: false,
    fromVersion: from?.running.version ?? running,
    toVersion: to?.running.version ?? "",
    ...(swapped ? {} : { failedStep: phase === "PREPARING" ? step : "bake", failure }),
    steps: [],
    time: clock.now(),
  };
}
