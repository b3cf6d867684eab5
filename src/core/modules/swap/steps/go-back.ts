import { unlessAborted, within } from "../../../async/deadline.ts";
import { messageOf } from "../../../errors/error.ts";
import { swapTrial } from "../../calls/trial.ts";
import type { State } from "../../host/types/host.ts";
import { getModule, type OperationContext } from "../../operations/context.ts";
import { closeBreaker } from "../../operations/module-breaker.ts";
import { persistently } from "../../operations/persist.ts";
import type { Journal } from "../state/journal.ts";
import { forEach, type Member, type Swap } from "../state/member.ts";
import { storeSwitch } from "./commit.ts";
import { callersFirst, hold, importState, PAUSE_LIMIT_MS, release, underWayIn } from "./hand-over.ts";

/**
 * How long a version that goes back is waited for to end what is under way; then it is asked for its state all the same.
 * @limit ms
 */
const RETURN_PATIENCE_MS = 1000;

/**
 * Lets the old versions serve again, with what the new ones have learnt where they can still tell it. One that stood by
 * and has ended is started anew before anything moves. Where that fails the new versions serve on, if all of them live:
 * it resolves to why, and nothing has changed then.
 */
export async function goBack(
  context: OperationContext,
  journal: Journal,
  swap: Swap,
  why: string,
): Promise<string | undefined> {
  const { members } = swap;
  context.log("modules", "warn", "a swap goes back", { modules: swap.modules.join(", "), swap_id: swap.id, why });
  const failure = await revive(context, swap);
  const allLive = members.every(({ candidate }) => candidate?.ending === undefined);
  if (failure !== undefined && allLive) {
    context.log("modules", "error", "a swap could not go back", { modules: swap.modules.join(", "), error: failure });
    return failure;
  }
  const stateful = members.filter(haveState);
  if (stateful.length > 0) {
    // However many wait: what the new versions answered after they gave their state would be lost.
    hold(context, members, () => {});
    await handBack(context, stateful);
  }
  const { switches = {} } = journal.find(swap.modules, swap.id) ?? {};
  // What was started anew has another number.
  const back = members.map(({ name, from }) => [name, { ...switches[name], from }]);
  await persistently(context, "that a swap went back", () =>
    journal.note(swap.modules, swap.id, { phase: "RETURNED", step: "bake", switches: Object.fromEntries(back) }),
  );
  await storeSwitch(context, swap, "from");
  for (const { name } of members) await closeBreaker(context, name, `the swap of module ${name} went back: ${why}`);
  return undefined;
}

/** Starts those anew that stood by and have ended. Resolves to why that failed. */
async function revive(context: OperationContext, swap: Swap): Promise<string | undefined> {
  const ended = swap.members.filter(({ old }) => old?.ending !== undefined);
  if (ended.length === 0) return undefined;
  // Calls of a new version that has ended wait for the old one, but not for as long as a start may take.
  const timer = context.clock.setTimer(PAUSE_LIMIT_MS, () => release(context, swap.members));
  try {
    await unlessAborted(
      context.closing,
      forEach(ended, (member) => reviveOne(context, member)),
    );
    return undefined;
  } catch (error) {
    context.closing.throwIfAborted();
    const [{ name, old } = {}] = ended;
    return `version ${old?.running.version} of module ${name}, which stood by, had ended (${old?.ending?.description}), and did not start anew: ${messageOf(error)}`;
  } finally {
    timer.cancel();
  }
}

async function reviveOne(context: OperationContext, member: Member): Promise<void> {
  const { name, old, from, steps } = member;
  const { registration, code, running } = from;
  const { startTimeoutMs } = registration;
  const why = old?.ending?.description;
  const detail = (number: number): string =>
    `generation ${number}, version ${running.version}: the one that stood by had ended: ${why}`;
  const options = { deadlineMs: startTimeoutMs * 2, keepsDeadline: true, detail };
  await steps.take("start", options, async () => {
    const trial = swapTrial(registration);
    const request = { registration, module: code, version: () => running.version, acts: false, trial };
    const { starts } = getModule(context, name).record;
    const fresh = await context.generations.start(name, starts, request);
    try {
      await fresh.health.check(startTimeoutMs);
    } catch (error) {
      context.generations.discard(name, fresh);
      throw error;
    }
    if (old !== undefined) context.generations.discard(name, old);
    const loadTime = context.clock.now();
    const stateLost = fresh.instance.shape.hasState;
    Object.assign(member, { old: fresh, from: { ...from, running: { ...fresh.running, loadTime } }, stateLost });
    return fresh.number;
  });
}

function haveState({ old, candidate }: Member): boolean {
  return old?.instance.shape.hasState === true && candidate?.instance.shape.hasState === true;
}

/** What new versions knew; undefined: it is lost, which has been told. */
type Learnt = { readonly state: State; readonly lost: string } | undefined;

/**
 * What the new versions have learnt, and all that they were told, goes to the old ones, which else have what they had. As
 * in a hand-over all of them have the same time, and those that call others give their state first.
 */
async function handBack(context: OperationContext, members: readonly Member[]): Promise<void> {
  const limitMs = Math.min(PAUSE_LIMIT_MS, ...members.map(({ from }) => from.registration.callTimeoutMs / 2));
  const end = context.clock.monotonic() + limitMs;
  const left = (): number => Math.max(1, end - context.clock.monotonic());
  const imports: Promise<void>[] = [];
  for (const member of callersFirst(context, members)) {
    const learnt = await takeBack(context, member, left);
    imports.push(giveBack(context, member, learnt, left));
  }
  await Promise.all(imports);
}

/** The old version goes on from what it handed over. */
function lose(context: OperationContext, member: Member, error: string): void {
  member.stateLost = true;
  context.log("modules", "warn", `module ${member.name} could not hand its state back`, { error });
}

async function takeBack(context: OperationContext, member: Member, left: () => number): Promise<Learnt> {
  const { candidate } = member;
  if (candidate === undefined) return undefined;
  try {
    if (candidate.ending !== undefined) throw new Error(`it ended: ${candidate.ending.description}`);
    const patienceMs = Math.min(RETURN_PATIENCE_MS, left() / 2);
    // It goes back in any case: what does not end by then is better lost than everything.
    await within(context.clock, patienceMs, candidate.idle(), () => new Error("calls are under way")).catch(() => {});
    const state = await candidate.instance.exportState(left(), Math.min(patienceMs, left() / 2));
    return { state, lost: candidate.instance.busy > 0 ? "methods were under way" : underWayIn(candidate) };
  } catch (error) {
    lose(context, member, messageOf(error));
    return undefined;
  }
}

async function giveBack(context: OperationContext, member: Member, learnt: Learnt, left: () => number): Promise<void> {
  const { old, candidate } = member;
  if (old === undefined || candidate === undefined || learnt === undefined) return;
  try {
    await importState(candidate, old, learnt.state, left());
    if (learnt.lost === "") member.stateLost = false;
    else lose(context, member, learnt.lost);
  } catch (error) {
    lose(context, member, messageOf(error));
  }
}
