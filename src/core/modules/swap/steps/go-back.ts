import { unlessAborted, within } from "../../../async/deadline.ts";
import { messageOf } from "../../../errors/error.ts";
import { breakerOf } from "../../calls/router.ts";
import { swapTrial } from "../../calls/trial.ts";
import type { State } from "../../host/types/host.ts";
import { getModule, type Room } from "../../operations/context.ts";
import { persistently } from "../../operations/persist.ts";
import type { Journal } from "../state/journal.ts";
import { forEach, type Member, type Swap } from "../state/member.ts";
import { isOpenedByFailure } from "./bake.ts";
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
export async function goBack(room: Room, journal: Journal, swap: Swap, why: string): Promise<string | undefined> {
  const { members } = swap;
  room.log("modules", "warn", "a swap goes back", { modules: swap.modules.join(", "), swap_id: swap.id, why });
  const failure = await revive(room, swap);
  const allLive = members.every(({ candidate }) => candidate?.ending === undefined);
  if (failure !== undefined && allLive) {
    room.log("modules", "error", "a swap could not go back", { modules: swap.modules.join(", "), error: failure });
    return failure;
  }
  const stateful = members.filter(haveState);
  if (stateful.length > 0) {
    // However many wait: what the new versions answered after they gave their state would be lost.
    hold(room, members, () => {});
    await handBack(room, stateful);
  }
  const { switches = {} } = journal.find(swap.modules, swap.id) ?? {};
  // What was started anew has another number.
  const back = members.map(({ name, from }) => [name, { ...switches[name], from }]);
  await persistently(room, "that a swap went back", () =>
    journal.note(swap.modules, swap.id, { phase: "RETURNED", step: "bake", switches: Object.fromEntries(back) }),
  );
  await storeSwitch(room, swap, "from");
  for (const { name } of members) await closeBreaker(room, name, `the swap of module ${name} went back: ${why}`);
  return undefined;
}

/** Starts those anew that stood by and have ended. Resolves to why that failed. */
async function revive(room: Room, swap: Swap): Promise<string | undefined> {
  const ended = swap.members.filter(({ old }) => old?.ending !== undefined);
  if (ended.length === 0) return undefined;
  // Calls of a new version that has ended wait for the old one, but not for as long as a start may take.
  const timer = room.clock.setTimer(PAUSE_LIMIT_MS, () => release(room, swap.members));
  try {
    await unlessAborted(
      room.closing,
      forEach(ended, (member) => reviveOne(room, member)),
    );
    return undefined;
  } catch (error) {
    room.closing.throwIfAborted();
    const [{ name, old } = {}] = ended;
    return `version ${old?.running.version} of module ${name}, which stood by, had ended (${old?.ending?.description}), and did not start anew: ${messageOf(error)}`;
  } finally {
    timer.cancel();
  }
}

async function reviveOne(room: Room, member: Member): Promise<void> {
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
    const { starts } = getModule(room, name).record;
    const fresh = await room.generations.start(name, starts, request);
    try {
      await fresh.health.check(startTimeoutMs);
    } catch (error) {
      room.generations.discard(name, fresh);
      throw error;
    }
    if (old !== undefined) room.generations.discard(name, old);
    const loadTime = room.clock.now();
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
async function handBack(room: Room, members: readonly Member[]): Promise<void> {
  const limitMs = Math.min(PAUSE_LIMIT_MS, ...members.map(({ from }) => from.registration.callTimeoutMs / 2));
  const end = room.clock.monotonic() + limitMs;
  const left = (): number => Math.max(1, end - room.clock.monotonic());
  const imports: Promise<void>[] = [];
  for (const member of callersFirst(room, members)) {
    const learnt = await takeBack(room, member, left);
    imports.push(giveBack(room, member, learnt, left));
  }
  await Promise.all(imports);
}

/** The old version goes on from what it handed over. */
function lose(room: Room, member: Member, error: string): void {
  member.stateLost = true;
  room.log("modules", "warn", `module ${member.name} could not hand its state back`, { error });
}

async function takeBack(room: Room, member: Member, left: () => number): Promise<Learnt> {
  const { candidate } = member;
  if (candidate === undefined) return undefined;
  try {
    if (candidate.ending !== undefined) throw new Error(`it ended: ${candidate.ending.description}`);
    const patienceMs = Math.min(RETURN_PATIENCE_MS, left() / 2);
    // It goes back in any case: what does not end by then is better lost than everything.
    await within(room.clock, patienceMs, candidate.idle(), () => new Error("calls are under way")).catch(() => {});
    const state = await candidate.instance.exportState(left(), Math.min(patienceMs, left() / 2));
    return { state, lost: candidate.instance.busy > 0 ? "methods were under way" : underWayIn(candidate) };
  } catch (error) {
    lose(room, member, messageOf(error));
    return undefined;
  }
}

async function giveBack(room: Room, member: Member, learnt: Learnt, left: () => number): Promise<void> {
  const { old, candidate } = member;
  if (old === undefined || candidate === undefined || learnt === undefined) return;
  try {
    await importState(candidate, old, learnt.state, left());
    if (learnt.lost === "") member.stateLost = false;
    else lose(room, member, learnt.lost);
  } catch (error) {
    lose(room, member, messageOf(error));
  }
}

/** What opened it serves no more. */
export async function closeBreaker(room: Room, name: string, reason: string): Promise<void> {
  if (!isOpenedByFailure(room, name)) return;
  try {
    await room.breakers.reset(breakerOf(name), { reason });
  } catch (error) {
    room.log("modules", "warn", `the breaker of module ${name} was not closed`, { error: messageOf(error) });
  }
}
