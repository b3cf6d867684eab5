import { unlessAborted, within } from "./deadline.ts";
import type { Generation } from "./generation.ts";
import type { Member, Swap } from "./member.ts";
import type { Room } from "./room.ts";

/**
 * Time for which calls are held while a swap hands state over, unless `max_pause` says otherwise, and at most half of
 * `call_timeout`. The swap fails beyond it, and the old version serves on. Held calls keep their deadlines. @limit ms
 */
export const PAUSE_LIMIT_MS = 5000;

/**
 * Hands what the old versions know to the new ones, where both sides have state. All calls of the swap's modules are held
 * meanwhile, those under way end first. They stay held: the switch to the new generations lets them go on, or a release
 * to the old ones, which have lost nothing.
 *
 * Calls that must end first never wait for those that are held: what they call is let through.
 */
export async function handOver(room: Room, swap: Swap): Promise<void> {
  const { members, terms, cancelled } = swap;
  const stateful = members.filter(hasStateToHandOver);
  for (const member of members) if (!stateful.includes(member)) member.steps.skip("hand_over", whyNot(member));
  if (stateful.length === 0) return;
  await swap.enter("hand_over");
  const limitMs = Math.min(...members.map((member) => pauseLimit(member, terms.maxPauseMs)));
  const end = room.clock.monotonic() + limitMs;
  const left = (): number => Math.max(1, end - room.clock.monotonic());
  const overflow = new AbortController();
  const signal = AbortSignal.any([cancelled, overflow.signal]);
  hold(room, members, () => {
    overflow.abort(new Error("as many calls as may wait did"));
    // At once: those that wait are answered by the old versions.
    if (!swap.committed) release(room, members);
  });
  // Calls that wait need not fail with an old version that ends now: the new one will answer them.
  for (const { old } of members) if (old !== undefined) old.guard = () => {};
  await Promise.allSettled(
    stateful.map((member) =>
      member.steps.take("hand_over", { deadlineMs: limitMs, keepsDeadline: true, signal, detail: String }, async () => {
        await drain(room, members, limitMs, left, signal);
        return transfer(member, left);
      }),
    ),
  ).then((outcomes) => {
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    signal.throwIfAborted();
  });
}

/** From now on the calls of these modules wait, but for what those under way need. */
export function hold(room: Room, members: readonly Member[], overflow: () => void): void {
  const draining = new Set(members.flatMap(({ old }) => (old === undefined ? [] : [old])));
  for (const { name } of members) room.router.lane(name).hold({ draining, overflow });
}

export function release(room: Room, members: readonly Member[]): void {
  for (const { name } of members) room.router.lane(name).release();
}

const STATE_LOST = "the old version had ended, and its state with it";

function hasStateToHandOver({ old, candidate, plan }: Member): boolean {
  if (plan.discardState || old === undefined || old.ending !== undefined) return false;
  return old.instance.shape.hasState && candidate?.instance.shape.hasState === true;
}

function whyNot({ old, plan }: Member): string {
  if (old === undefined || old.ending !== undefined) return STATE_LOST;
  if (!old.instance.shape.hasState) return "the old version has no state to hand over";
  return plan.discardState ? "its state is let go, as asked for" : "the new version takes no state over";
}

/** A call that was held must have time left to be answered. */
function pauseLimit({ from }: Member, asked = PAUSE_LIMIT_MS): number {
  return Math.min(asked, PAUSE_LIMIT_MS * 12, from.registration.callTimeoutMs / 2);
}

/** Resolves when no call is under way in any of the old generations: one may have called another. */
async function drain(
  room: Room,
  members: readonly Member[],
  limitMs: number,
  left: () => number,
  signal: AbortSignal,
): Promise<void> {
  const busy = (): Generation[] => members.flatMap(({ old }) => (old !== undefined && old.inFlight > 0 ? [old] : []));
  const late = (): Error => {
    const [first] = busy();
    const { inFlight = 0, running } = first ?? {};
    return new Error(`${inFlight} calls were still under way in version ${running?.version} after ${limitMs} ms`);
  };
  for (let some = busy(); some.length > 0; some = busy()) {
    const idle = Promise.all(some.map((generation) => generation.idle()));
    await unlessAborted(signal, within(room.clock, left(), idle, late));
  }
}

/** Resolves to what is to be told of it. */
async function transfer({ old, candidate }: Member, left: () => number): Promise<string> {
  if (old === undefined || candidate === undefined) throw new Error("both sides are there");
  // What it would do of its own accord waits until it is known who serves.
  old.fence.freeze();
  const passed = await pass(old, candidate, left);
  await candidate.instance.checkHealth(left());
  return passed ? "" : STATE_LOST;
}

/** Hands the state of one generation to another. Resolves to whether there was one still: not where `from` has ended. */
export async function pass(from: Generation, to: Generation, left: () => number): Promise<boolean> {
  const exported = await from.instance.exportState(left()).then(
    (state) => ({ state }),
    (error: unknown) => {
      if (from.ending === undefined) throw error;
      return undefined;
    },
  );
  if (exported === undefined) return false;
  const source = { fromVersion: from.running.version, schema: from.instance.shape.stateSchema };
  await to.instance.importState(exported.state, source, left());
  return true;
}
