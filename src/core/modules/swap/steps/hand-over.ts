import { unlessAborted, within } from "../../../async/deadline.ts";
import { isReason } from "../../../errors/error.ts";
import type { Generation } from "../../calls/generation.ts";
import type { State } from "../../host/types/host.ts";
import { dependenciesOf, type OperationContext } from "../../operations/context.ts";
import { loadOrder } from "../../record/dependencies.ts";
import type { Member, Swap } from "../state/member.ts";

/**
 * Time for which calls are held while a swap hands state over, unless `max_pause` says otherwise, and at most half of
 * `call_timeout`. The swap fails beyond it, and the old version serves on. Held calls keep their deadlines. @limit ms
 */
export const PAUSE_LIMIT_MS = 5000;

/**
 * Hands what the old versions know to the new ones, where both sides have state. All calls of the swap's modules are held
 * meanwhile; what is under way ends first: calls, methods whose callers have left, and calls that the old versions made
 * of their own accord. All stay held: the switch to the new generations lets calls go on, or a release to the old ones,
 * which have lost nothing.
 *
 * Calls that must end first never wait for those that are held: what they call is let through.
 */
export async function handOver(context: OperationContext, swap: Swap): Promise<void> {
  const { members, terms, cancelled } = swap;
  const stateful = members.filter(hasStateToHandOver);
  for (const member of members) if (!stateful.includes(member)) skip(member);
  if (stateful.length === 0) return;
  await swap.enter("hand_over");
  const limitMs = Math.min(...members.map((member) => pauseLimit(member, terms.maxPauseMs)));
  const end = context.clock.monotonic() + limitMs;
  const left = (): number => Math.max(1, end - context.clock.monotonic());
  const overflow = new AbortController();
  const signal = AbortSignal.any([cancelled, overflow.signal]);
  hold(context, members, () => {
    overflow.abort(new Error("as many calls as may wait did"));
    // At once: those that wait are answered by the old versions.
    if (!swap.committed) release(context, members);
  });
  // Calls that wait need not fail with an old version that ends now: the new one will answer them.
  for (const { old } of members) if (old !== undefined) old.guard = () => {};
  const exports = exportStates(context, members, stateful, { limitMs, left, signal });
  await Promise.allSettled(
    stateful.map((member) =>
      member.steps.take("hand_over", { deadlineMs: limitMs, keepsDeadline: true, signal, detail: String }, async () =>
        takeOver(member, await exports.get(member), left),
      ),
    ),
  ).then((outcomes) => {
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    signal.throwIfAborted();
  });
}

/** From now on the calls of these modules wait, but for what those under way need. */
export function hold(context: OperationContext, members: readonly Member[], overflow: () => void): void {
  const draining = new Set(
    members.flatMap(({ old, candidate }) => [old, candidate].filter((one) => one !== undefined)),
  );
  for (const { name } of members) context.router.lane(name).hold({ draining, overflow });
}

export function release(context: OperationContext, members: readonly Member[]): void {
  for (const { name } of members) context.router.lane(name).release();
}

const STATE_LOST = "the old version had ended, and its state with it";

function hasStateToHandOver({ old, candidate, plan }: Member): boolean {
  if (plan.discardState || old === undefined || old.ending !== undefined) return false;
  return old.instance.shape.hasState && candidate?.instance.shape.hasState === true;
}

function skip(member: Member): void {
  const { old, plan, steps, candidate } = member;
  const lose = (why: string): void => {
    member.stateLost = true;
    steps.skip("hand_over", why);
  };
  if (old !== undefined && !old.instance.shape.hasState) {
    steps.skip("hand_over", "the old version has no state to hand over");
  } else if (old === undefined && candidate?.instance.shape.hasState === false) {
    steps.skip("hand_over", "the new version takes no state over");
  } else if (plan.discardState) steps.skip("hand_over", "its state is let go, as asked for");
  else lose(old === undefined || old.ending !== undefined ? STATE_LOST : "the new version takes no state over");
}

/** A call that was held must have time left to be answered. */
function pauseLimit({ from }: Member, asked = PAUSE_LIMIT_MS): number {
  return Math.min(asked, PAUSE_LIMIT_MS * 12, from.registration.callTimeoutMs / 2);
}

/** What an old version knew; undefined: it had ended. */
type Exported = { readonly state: State } | undefined;

interface Pause {
  readonly limitMs: number;
  left(): number;
  readonly signal: AbortSignal;
}

/**
 * Takes the state of each of the stateful ones when nothing is under way in it any more. One by one, and those that call
 * others first: what these still do in the others is in the state of the others, and once their state is taken they call
 * nobody any more.
 */
function exportStates(
  context: OperationContext,
  members: readonly Member[],
  stateful: readonly Member[],
  pause: Pause,
): ReadonlyMap<Member, Promise<Exported>> {
  const order = callersFirst(context, members);
  const exports = new Map<Member, Promise<Exported>>();
  let before: Promise<unknown> = drain(context, members, pause);
  for (const member of order.slice(0, order.findLastIndex((one) => stateful.includes(one)) + 1)) {
    const exported = before.then(() => exportState(member, stateful.includes(member), pause));
    // Told by the step that waits for it, if one does.
    exported.catch(() => {});
    exports.set(member, exported);
    before = exported;
  }
  return exports;
}

/** Those that call others before those that they call. */
export function callersFirst(context: OperationContext, members: readonly Member[]): readonly Member[] {
  const names = loadOrder(
    members.map(({ name }) => name),
    dependenciesOf(context),
  );
  return [...members].sort((a, b) => names.indexOf(b.name) - names.indexOf(a.name));
}

/** Resolves when no call is under way in any of the old generations: one may have called another. */
async function drain(
  context: OperationContext,
  members: readonly Member[],
  { limitMs, left, signal }: Pause,
): Promise<void> {
  const busy = (): Generation[] => members.flatMap(({ old }) => (old !== undefined && old.inFlight > 0 ? [old] : []));
  const late = (): Error => {
    const [first] = busy();
    const { inFlight = 0, running } = first ?? {};
    return new Error(`${inFlight} calls were still under way in version ${running?.version} after ${limitMs} ms`);
  };
  for (let some = busy(); some.length > 0; some = busy()) {
    const idle = Promise.all(some.map((generation) => generation.idle()));
    await unlessAborted(signal, within(context.clock, left(), idle, late));
  }
}

async function exportState({ old }: Member, isStateful: boolean, { left, limitMs, signal }: Pause): Promise<Exported> {
  if (old === undefined || old.ending !== undefined) return undefined;
  signal.throwIfAborted();
  const { instance, fence, running } = old;
  try {
    const taken = isStateful
      ? instance.exportState(left()).then((state) => ({ state }))
      : instance.becomeQuiet(left()).then(() => undefined);
    const exported = await unlessAborted(signal, taken);
    // What it would do of its own accord waits until it is known who serves.
    fence.freeze();
    return exported;
  } catch (error) {
    if (old.ending !== undefined) return undefined;
    const goesOn = underWayIn(old);
    if (!isReason(error, "MODULE_DEADLINE_EXCEEDED") || goesOn === "") throw error;
    throw new Error(`${goesOn}, in version ${running.version} after ${limitMs} ms`, { cause: error });
  }
}

/** What keeps a version from handing its state over; for people. */
export function underWayIn({ instance }: Generation): string {
  const { leftBehind, ownCalls: own } = instance;
  const methods =
    leftBehind === 1 ? "1 method still ran after its caller" : `${leftBehind} methods still ran after their callers`;
  const calls =
    own.length === 1
      ? `1 call of its own to ${own[0]} was`
      : `${own.length} calls of its own, one of them to ${own[0]}, were`;
  return [...(leftBehind > 0 ? [`${methods} left`] : []), ...(own.length > 0 ? [`${calls} under way`] : [])].join(
    ", and ",
  );
}

/** Resolves to what is to be told of it. */
async function takeOver(member: Member, exported: Exported, left: () => number): Promise<string> {
  const { old, candidate } = member;
  if (old === undefined || candidate === undefined) throw new Error("both sides are there");
  if (exported !== undefined) await importState(old, candidate, exported.state, left());
  await candidate.instance.checkHealth(left());
  if (exported !== undefined) return "";
  member.stateLost = true;
  return STATE_LOST;
}

export function importState(from: Generation, to: Generation, state: State, timeoutMs: number): Promise<void> {
  const source = { fromVersion: from.running.version, schema: from.instance.shape.stateSchema };
  return to.instance.importState(state, source, timeoutMs);
}
