import { raceOr, timeLimit } from "../../../../kernel/async/race.ts";
import { unlessAborted } from "../../../async/deadline.ts";
import { messageOf } from "../../../errors/error.ts";
import type { Generation } from "../../calls/generation/generation.ts";
import { swapTrial } from "../../calls/generation/trial.ts";
import type { State } from "../../host/types/host.ts";
import { getModule } from "../../operations/context.ts";
import { closeBreaker } from "../../operations/module-breaker.ts";
import { persistently } from "../../operations/persist.ts";
import { forEach, type SwapContext } from "../state/context.ts";
import {
  beginPause,
  calledFirst,
  duringPause,
  guard,
  hold,
  PAUSE_LIMIT_MS,
  type Pause,
  release,
} from "../state/pause.ts";
import { storeServing } from "../state/records.ts";
import type { Baked, CommittedMember } from "../state/state.ts";
import { importState, underWayIn } from "../state/transfer.ts";

/**
 * Time that a version may take to complete its calls before it hands its state back during a bake. Then its state is
 * exported anyway. @limit ms
 */
const RETURN_PATIENCE_MS = 1000;

/** A member whose old version stands by, or has ended while it stood by. */
type StoodBy = CommittedMember & { readonly old: Generation };

/**
 * Lets the old versions serve again, with the state of the new ones if these can still hand it over: when the entry of
 * `journal.note` is durable, the journal calls `flip`. First restarts old versions that have ended. If that fails and all new
 * versions live, the new ones continue to serve.
 */
export async function goBack(context: SwapContext, committed: readonly CommittedMember[], why: string): Promise<Baked> {
  const { journal, plan } = context;
  const modules = plan.modules.join(", ");
  context.log("modules", "warn", "a swap goes back", { modules, swap_id: plan.swapId, why });
  const { members: revived, failure } = await revive(context, committed);
  const allLive = committed.every(({ candidate }) => candidate.ending === undefined);
  if (failure !== undefined && allLive) {
    context.log("modules", "error", "a swap could not go back", { modules, error: failure });
    return { state: "KEPT", members: revived, stayed: failure };
  }
  const handedBack = await handBack(context, revived);
  const members = handedBack.map((member) => servingSince(member, context.clock.now()));
  // A restarted old version has another generation number.
  const switches = Object.fromEntries(members.map(({ name, switched, from }) => [name, { ...switched, from }]));
  await persistently(context, "the return to the old versions", () =>
    journal.note(plan, { phase: "RETURNED", step: "bake", switches }),
  );
  await storeServing(context, members, "from");
  for (const { name } of members) await closeBreaker(context, name, `the swap of module ${name} went back: ${why}`);
  return { state: "RETURNED", members };
}

/** Returns the member with the time at which its old version begins to serve again. */
function servingSince(member: CommittedMember, loadTime: number): CommittedMember {
  const { from } = member;
  return { ...member, from: { ...from, running: { ...from.running, loadTime } } };
}

/** Restarts the old versions that have ended. `failure`: why one of them did not start. */
async function revive(
  context: SwapContext,
  members: readonly CommittedMember[],
): Promise<{ readonly members: readonly CommittedMember[]; readonly failure?: string }> {
  const ended = members.filter(hasEnded);
  if (ended.length === 0) return { members };
  const revived = new Map<string, CommittedMember>();
  const present = (): readonly CommittedMember[] => members.map((member) => revived.get(member.name) ?? member);
  // Calls wait if a new version has ended, but not for as long as a start may take.
  const timer = context.clock.setTimer(PAUSE_LIMIT_MS, () => release(context, members));
  try {
    const starting = forEach(ended, async (member) => {
      revived.set(member.name, await reviveOne(context, member));
    });
    await unlessAborted(context.closing, starting);
    return { members: present() };
  } catch (error) {
    context.closing.throwIfAborted();
    return { members: present(), failure: messageOf(error) };
  } finally {
    timer.cancel();
    guard(context, present());
  }
}

function hasEnded(member: CommittedMember): member is StoodBy {
  return member.old?.ending !== undefined;
}

async function reviveOne(context: SwapContext, member: StoodBy): Promise<CommittedMember> {
  const { name, old, from, steps } = member;
  const { registration, code, running } = from;
  const { startTimeoutMs } = registration;
  const why = old.ending?.description;
  const detail = ({ number }: Generation): string =>
    `generation ${number}, version ${running.version}: the one that stood by had ended: ${why}`;
  const options = { deadlineMs: startTimeoutMs * 2, keepsDeadline: true, detail };
  const startAnew = async (): Promise<Generation> => {
    const version = { asked: running.version, otherwise: running.version };
    const trial = swapTrial(registration);
    const request = { registration, module: code, version, acts: false, trial };
    const { starts } = getModule(context, name).record;
    const fresh = await context.generations.start(name, starts, request);
    try {
      await fresh.health.check(startTimeoutMs);
    } catch (error) {
      context.generations.discard(name, fresh);
      throw error;
    }
    return fresh;
  };
  try {
    const fresh = await steps.take("start", options, startAnew);
    context.generations.discard(name, old);
    const stateLost = fresh.instance.shape.hasState;
    return { ...member, old: fresh, from: { ...from, running: fresh.running }, stateLost };
  } catch (error) {
    const version = `version ${running.version} of module ${name}, which stood by,`;
    const problem = `${version} had ended (${why}) and could not be restarted: ${messageOf(error)}`;
    throw new Error(problem, { cause: error });
  }
}

function hasStateToHandBack(member: CommittedMember): member is StoodBy {
  return member.old?.instance.shape.hasState === true && member.candidate.instance.shape.hasState;
}

/** The state of a new version. `missing` says why it is incomplete. Empty: it is complete. */
interface Learnt {
  readonly state: State;
  readonly missing: string;
}

/**
 * Hands the state of the new versions to the old ones. Without it, the old ones continue with the state that they had. As in
 * a hand-over, all members share one time limit, and callers come before those that they call.
 */
async function handBack(
  context: SwapContext,
  members: readonly CommittedMember[],
): Promise<readonly CommittedMember[]> {
  const stateful = members.filter(hasStateToHandBack);
  if (stateful.length === 0) return members;
  // No number of waiting calls ends this wait, because changes of the new versions after their export would be lost.
  hold(context, members, () => {});
  const limitMs = Math.min(PAUSE_LIMIT_MS, ...stateful.map(({ from }) => from.registration.callTimeoutMs / 2));
  const pause = beginPause(context, limitMs);
  const isLost = new Map<string, Promise<boolean>>();
  for (const member of calledFirst(context, stateful).toReversed()) {
    const learnt = await takeBack(context, member, pause);
    isLost.set(member.name, learnt === undefined ? Promise.resolve(true) : giveBack(context, member, learnt, pause));
  }
  return Promise.all(
    members.map(async (member) => ({ ...member, stateLost: (await isLost.get(member.name)) ?? member.stateLost })),
  );
}

/** Returns the state of the new version. If it is lost, logs that and returns undefined. */
async function takeBack(context: SwapContext, { name, candidate }: StoodBy, pause: Pause): Promise<Learnt | undefined> {
  try {
    if (candidate.ending !== undefined) throw new Error(`it ended: ${candidate.ending.description}`);
    const patienceMs = Math.min(RETURN_PATIENCE_MS, pause.left() / 2);
    // The old version will serve in any case. Losing the calls in progress is better than losing the whole state.
    await raceOr(candidate.idle(), [timeLimit(context.clock, patienceMs, () => undefined)], () => {});
    const state = await duringPause(pause, (timeoutMs) =>
      candidate.instance.exportState(timeoutMs, Math.min(patienceMs, timeoutMs / 2)),
    );
    return { state, missing: candidate.instance.busy > 0 ? "methods were under way" : underWayIn(candidate) };
  } catch (error) {
    logLoss(context, name, messageOf(error));
    return undefined;
  }
}

/**
 * Resolves to whether state is lost, because the old version continues with its earlier state, or without the effects of the
 * calls that were in progress.
 */
async function giveBack(
  context: SwapContext,
  { name, old, candidate }: StoodBy,
  { state, missing }: Learnt,
  pause: Pause,
): Promise<boolean> {
  try {
    await duringPause(pause, (timeoutMs) => importState(candidate, old, state, timeoutMs));
    if (missing === "") return false;
    logLoss(context, name, missing);
  } catch (error) {
    logLoss(context, name, messageOf(error));
  }
  return true;
}

function logLoss({ log }: SwapContext, name: string, error: string): void {
  log("modules", "warn", `module ${name} could not hand its state back`, { error });
}
