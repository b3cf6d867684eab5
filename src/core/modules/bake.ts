import type { Breaker } from "../breakers/breakers.ts";
import { isReason, messageOf } from "../errors.ts";
import { persistently, storeSwitch } from "./commit.ts";
import { within } from "./deadline.ts";
import { onEnd } from "./ended.ts";
import { hold, PAUSE_LIMIT_MS, pass, release } from "./hand-over.ts";
import type { Journal } from "./journal.ts";
import { judgeBake } from "./judge.ts";
import type { Member, Swap } from "./member.ts";
import { observe } from "./observe.ts";
import type { Room } from "./room.ts";
import { breakerOf } from "./router.ts";

/**
 * Lets the new versions serve on trial while the old ones stand by. Resolves when the time is over; rejects with why they
 * are to go back: one ended, its breaker opened, too many of its calls failed, it is unhealthy, or somebody asked for it.
 */
export async function bake(room: Room, swap: Swap): Promise<void> {
  const { members, terms } = swap;
  const over = new AbortController();
  swap.returning.then((why) => over.abort(new Error(why)));
  const close = (): void => over.abort(room.closing.reason);
  room.closing.addEventListener("abort", close, { once: true });
  const readings = members.map(({ candidate }) => candidate?.gauge.read());
  const look = (member: Member, index: number): void => {
    const { candidate } = member;
    const reading = readings[index];
    if (candidate === undefined || reading === undefined) return;
    if (candidate.ending !== undefined) throw new Error(`it ended: ${candidate.ending.description}`);
    const problem = judgeBake(candidate.gauge.since(reading), terms.bake);
    if (problem !== undefined) throw new Error(problem);
    const { verdict } = candidate.health;
    if (verdict !== undefined) throw new Error(verdict);
  };
  const baking = members.map((member, index) => bakeOne(room, member, terms.bakeMs, over, () => look(member, index)));
  await Promise.all(baking).finally(() => room.closing.removeEventListener("abort", close));
}

async function bakeOne(
  room: Room,
  member: Member,
  bakeMs: number,
  over: AbortController,
  look: () => void,
): Promise<void> {
  const { name, steps, candidate } = member;
  const breaker = breakerOf(name);
  const options = { deadlineMs: bakeMs, keepsDeadline: true, signal: over.signal };
  let stopListening = (): void => {};
  try {
    await steps.take("bake", options, async () => {
      let opened = openedSince(room, member);
      const { again, done } = observe(room.clock, bakeMs, over.signal, () => {
        look();
        if (opened) throw new Error(`its breaker ${breaker} opened`);
        return false;
      });
      const stopped = room.breakers.onTransition(breaker, ({ state, override }) => {
        opened ||= state === "OPEN" && override === undefined;
        again();
      });
      if (candidate !== undefined) {
        candidate.gauge.listener = (failed) => failed && again();
        candidate.health.listener = again;
      }
      const offEnd = candidate && onEnd(candidate.instance, again);
      stopListening = () => {
        stopped();
        offEnd?.();
      };
      await done;
    });
  } catch (error) {
    // The others need not wait for their time.
    over.abort(new Error(`module ${member.name} went back: ${messageOf(error)}`));
    throw error;
  } finally {
    stopListening();
    if (candidate !== undefined) {
      candidate.gauge.listener = undefined;
      candidate.health.listener = undefined;
    }
  }
}

/** By itself: what a human decided says nothing of a version. */
function isOpen(room: Room, name: string): boolean {
  const breaker = findBreaker(room, name);
  return breaker?.state === "OPEN" && breaker.override === undefined;
}

/** Whether the breaker opened since the trial was about to begin: before, it spoke of the old version. */
function openedSince(room: Room, { name, breakerEpoch = 0 }: Member): boolean {
  return isOpen(room, name) && (findBreaker(room, name)?.epoch ?? 0) > breakerEpoch;
}

function findBreaker({ breakers }: Room, name: string): Breaker | undefined {
  try {
    return breakers.get(breakerOf(name));
  } catch (error) {
    if (isReason(error, "BREAKER_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** Before the trial begins. Keeps calls from a version that ends in it: they wait for the old one. */
export function guard(room: Room, swap: Swap): void {
  for (const member of swap.members) {
    member.breakerEpoch = findBreaker(room, member.name)?.epoch;
    if (member.candidate !== undefined) member.candidate.guard = () => hold(room, swap.members, () => {});
  }
}

export function unguard(swap: Swap): void {
  for (const { candidate } of swap.members) if (candidate !== undefined) candidate.guard = undefined;
}

/** Lets the old versions serve again, with what the new ones have learnt where they can still tell it. */
export async function goBack(room: Room, journal: Journal, swap: Swap, why: string): Promise<void> {
  const { members } = swap;
  room.log("modules", "warn", "a swap goes back", { modules: swap.modules.join(", "), swap_id: swap.id, why });
  const stateful = members.filter(
    ({ old, candidate }) => old?.instance.shape.hasState && candidate?.instance.shape.hasState,
  );
  if (stateful.length > 0) {
    hold(room, members, () => release(room, members));
    for (const member of stateful) await handBack(room, member);
  }
  await persistently(room, "that a swap went back", () =>
    journal.note(swap.modules, swap.id, { phase: "RETURNED", step: "bake" }),
  );
  await storeSwitch(room, swap, "from");
  for (const { name } of members) await closeBreaker(room, name, why);
}

async function handBack(room: Room, { name, old, candidate, from }: Member): Promise<void> {
  if (old === undefined || candidate === undefined || candidate.ending !== undefined) return;
  const end = room.clock.monotonic() + Math.min(PAUSE_LIMIT_MS, from.registration.callTimeoutMs / 2);
  const left = (): number => Math.max(1, end - room.clock.monotonic());
  try {
    await within(room.clock, left(), candidate.idle(), () => new Error("calls are under way"));
    await pass(candidate, old, left);
  } catch (error) {
    // It then goes on from what it handed over.
    room.log("modules", "warn", `module ${name} could not hand its state back`, { error: messageOf(error) });
  }
}

/** What opened it serves no more. */
async function closeBreaker(room: Room, name: string, why: string): Promise<void> {
  if (!isOpen(room, name)) return;
  try {
    await room.breakers.reset(breakerOf(name), { reason: `the swap of module ${name} went back: ${why}` });
  } catch (error) {
    room.log("modules", "warn", `the breaker of module ${name} was not closed`, { error: messageOf(error) });
  }
}
