import { unlessAborted } from "../../async/deadline.ts";
import { faultIn, HeliosError, isReason, messageOf, type Reason } from "../../errors/error.ts";
import { STOP_TIMEOUT_MS } from "../calls/generations.ts";
import type { OperationContext } from "../operations/context.ts";
import { persist, persistently } from "../operations/persist.ts";
import { DRAIN_GRACE_MS, drained } from "../operations/unload.ts";
import { remember, rememberEnd } from "../record/history.ts";
import type { SwapReport } from "../record/report.ts";
import type { Journal } from "./state/journal.ts";
import { forEach, type Member, type Swap, servedBy, serving } from "./state/member.ts";
import { bake, guard, unguard } from "./steps/bake.ts";
import { canary } from "./steps/canary.ts";
import { commit, storeSwitch } from "./steps/commit.ts";
import { goBack } from "./steps/go-back.ts";
import { handOver, release } from "./steps/hand-over.ts";
import { isUnchanged, rehearse, type SwapTools, start, verify } from "./steps/rehearse.ts";
import { shadow } from "./steps/shadow.ts";

/** The caller's mistakes, told as errors and not as a swap that failed. */
const MISTAKES: readonly Reason[] = [
  "MODULE_PATH_OUTSIDE_ROOT",
  "MODULE_FILE_NOT_FOUND",
  "MODULE_INVALID",
  "MODULE_ASSET_INVALID",
];

/**
 * Starts new generations beside those that run, and puts them in their place, all at once, when each has stood every
 * test. Until the commit any failure ends the new ones alone. Whoever calls it has the modules to itself. Rejects, with
 * nothing done, with what is wrong with a path, or with the machine that is to read it. Resolves to how it went, by module.
 */
export async function replace(
  context: OperationContext,
  journal: Journal,
  tools: SwapTools,
  swap: Swap,
): Promise<ReadonlyMap<string, SwapReport>> {
  const all = swap.members;
  const found = await verify(swap).then(
    () => true,
    (error: unknown) => {
      if (faultIn(error) !== undefined || MISTAKES.some((reason) => isReason(error, reason))) throw error;
      return false;
    },
  );
  swap.members = all.filter((member) => !found || !isUnchanged(member));
  const swapped = found && (swap.members.length === 0 || (await change(context, journal, tools, swap)));
  const reports = new Map<string, SwapReport>();
  for (const member of all) {
    const unchanged = !swap.members.includes(member);
    const report = reportOf(context, swap, member, swapped || unchanged, unchanged);
    reports.set(member.name, report);
    if (!unchanged) await conclude(context, swap, member, report);
  }
  return reports;
}

/** Whether the new versions serve. */
async function change(context: OperationContext, journal: Journal, tools: SwapTools, swap: Swap): Promise<boolean> {
  try {
    await tryOut(context, tools, swap);
    await handOver(context, swap);
    if (swap.terms.bakeMs > 0) guard(context, swap);
    const committed = commit(context, journal, swap);
    await forEach(swap.members, (member) => member.steps.take("commit", {}, () => committed));
  } catch (error) {
    context.log("modules", "warn", "a swap was given up", {
      modules: swap.modules.join(", "),
      error: messageOf(error),
    });
    abandon(context, swap);
    swap.fault = faultIn(error);
    return false;
  } finally {
    for (const { name, old } of swap.members) {
      if (old === undefined) continue;
      old.guard = undefined;
      if (old.ending?.expected === false) context.crashed(name, old);
    }
  }
  await storeSwitch(context, swap, "to");
  const returned = new AbortController();
  const oldOnesDrained = retireCalls(context, swap, returned.signal);
  const trial = onTrial(context, journal, swap, oldOnesDrained).finally(() => returned.abort());
  const [isPermanent] = await Promise.all([trial, oldOnesDrained]);
  return isPermanent;
}

/** Has the candidates stand every test. It may take long: an old version that ends meanwhile is started again. */
async function tryOut(context: OperationContext, tools: SwapTools, swap: Swap): Promise<void> {
  const guestsLeft = context.operations.letGuestsIn(swap.members.map(({ name }) => name));
  try {
    await start(context, swap);
    await rehearse(context, tools, swap);
    if (swap.terms.shadow !== undefined) {
      await swap.enter("shadow");
      await forEach(swap.members, (member) => shadow(context, swap, member));
    }
    if (swap.terms.canary !== undefined) {
      await swap.enter("canary");
      await forEach(swap.members, (member) => canary(context, swap, member));
    }
  } finally {
    await guestsLeft();
    for (const member of swap.members) Object.assign(member, serving(context, member.name));
  }
}

/** Ends the candidates; the old versions go on as though nothing had been asked. */
function abandon(context: OperationContext, swap: Swap): void {
  swap.abandoned = true;
  unguard(swap);
  for (const { name, candidate, old, from } of swap.members) {
    old?.resume();
    if (candidate === undefined) continue;
    candidate.fence.shut("its swap was given up");
    // Callers of a canary get their answers.
    void drained(context, candidate, from.registration.callTimeoutMs).then(() =>
      context.generations.discard(name, candidate),
    );
  }
  release(context, swap.members);
}

/** Resolves when one side has ended: the old versions, or after a trial that failed the new ones. */
async function onTrial(
  context: OperationContext,
  journal: Journal,
  swap: Swap,
  oldOnesDrained: Promise<void>,
): Promise<boolean> {
  if (swap.terms.bakeMs > 0) {
    try {
      await bake(context, swap);
    } catch (error) {
      // The journal says what is to be after a restart.
      if (context.isClosing()) throw HeliosError.of("SERVER_DRAINING", {}, { cause: error });
      swap.stayed = await goBack(context, journal, swap, messageOf(error));
      if (swap.stayed === undefined) {
        unguard(swap);
        await end(context, swap, "candidate");
        return false;
      }
    }
    await persistently(context, "that a swap is permanent", () =>
      journal.note(swap.modules, swap.id, { phase: "PERMANENT", step: "stop" }),
    );
    unguard(swap);
    for (const { name } of swap.members) {
      // One that ended in the last moment is seen as a crash by that.
      await persist(context, name, { action: "EndBake" }, ({ bake: _, ...record }) => record);
    }
    release(context, swap.members);
  }
  await oldOnesDrained;
  await end(context, swap, "old");
  return true;
}

/** The calls that the old versions were given end in them. `returned` is aborted when they serve again, if they do. */
async function retireCalls(context: OperationContext, swap: Swap, returned: AbortSignal): Promise<void> {
  await forEach(swap.members, async ({ old, steps, from }) => {
    if (old === undefined) return steps.skip("drain", "the old version had ended");
    const calls = old.inFlight;
    const { callTimeoutMs } = from.registration;
    const detail = (how: "ended" | "late" | "back"): string =>
      how === "back"
        ? "it serves again"
        : how === "ended"
          ? `${calls} calls`
          : `${old.inFlight} calls were still under way`;
    const options = { deadlineMs: callTimeoutMs + DRAIN_GRACE_MS, keepsDeadline: true, detail };
    await steps.take("drain", options, async () => {
      const isDrained = drained(context, old, callTimeoutMs);
      // What serves again has calls at any time.
      return unlessAborted(returned, isDrained).then(
        (is) => (is ? "ended" : "late"),
        () => "back",
      );
    });
  });
}

/** Ends one side when its calls have ended. Nothing that goes wrong here changes what serves. */
async function end(context: OperationContext, swap: Swap, side: "old" | "candidate"): Promise<void> {
  await forEach(swap.members, async ({ name, steps, from, [side]: generation }) => {
    if (generation === undefined) return;
    await drained(context, generation, from.registration.callTimeoutMs);
    await steps.take("stop", { deadlineMs: STOP_TIMEOUT_MS, keepsDeadline: true }, () =>
      context.generations.stop(name, generation),
    );
  });
}

function reportOf(
  context: OperationContext,
  swap: Swap,
  member: Member,
  swapped: boolean,
  unchanged: boolean,
): SwapReport {
  const { steps, plan, candidate, from, shadow: mirrored, canary: shared } = member;
  const { stateLost = false } = member;
  const failing = steps.failed ?? swap.members.map((other) => other.steps.failed).find((step) => step !== undefined);
  return {
    swapId: swap.id,
    swapped,
    unchanged,
    stateLost: stateLost || (!swapped && !swap.committed && endedWithState(member)),
    fromVersion: from.running.version,
    toVersion: candidate?.running.version ?? plan.version(undefined),
    ...(swapped || failing === undefined ? {} : { failedStep: failing.name, failure: failing.detail }),
    steps: steps.list,
    ...(mirrored === undefined ? {} : { shadow: mirrored }),
    ...(shared === undefined ? {} : { canary: shared }),
    time: context.clock.now(),
  };
}

/** Whether what served ended while it was to be replaced, and its state with it. */
function endedWithState({ old }: Member): boolean {
  return old?.ending?.expected === false && old.instance.shape.hasState;
}

/** Records how it went. */
async function conclude(context: OperationContext, swap: Swap, member: Member, lastSwap: SwapReport): Promise<void> {
  const { name, candidate, from } = member;
  const time = context.clock.now();
  try {
    await context.collection.change(name, swap.terms.cause, (current) => {
      if (current === undefined) return undefined;
      const record = { ...current.record, lastSwap };
      if (candidate === undefined) return record;
      const served = servedBy(member);
      if (lastSwap.swapped) return rememberEnd(record, from.running.generation, "replaced", time);
      const end = `${lastSwap.failedStep}: ${lastSwap.failure}`;
      const told = { served: swap.committed, startTime: candidate.running.loadTime, endTime: time, end };
      return { ...remember(record, served, told), starts: Math.max(record.starts, candidate.number) };
    });
  } catch (error) {
    context.log("modules", "error", `the report of a swap of module ${name} was not stored`, {
      error: messageOf(error),
    });
  }
}
