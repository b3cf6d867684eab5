import { seconds } from "../../../async/deadline.ts";
import { HeliosError, isReason } from "../../../errors/error.ts";
import type { Generation } from "../../calls/generation/generation.ts";
import { dependenciesOf, type OperationContext } from "../../operations/context.ts";
import { loadOrder } from "../../record/dependencies.ts";

/**
 * Time for which calls wait while a swap hands state over, unless `max_pause` says otherwise, and at most half of
 * `call_timeout`. Then the swap fails, and the old version serves on. Waiting calls keep their deadlines. @limit ms
 */
export const PAUSE_LIMIT_MS = 5000;

/** A limited time during which calls wait. */
export interface Pause {
  readonly limitMs: number;
  /** The remaining time in ms, at least 1. */
  left(): number;
}

export function beginPause({ clock }: OperationContext, limitMs: number): Pause {
  const end = clock.monotonic() + limitMs;
  return { limitMs, left: () => Math.max(1, end - clock.monotonic()) };
}

/**
 * Asks an instance for something for as long as the pause lasts. If it does not answer, MODULE_DEADLINE_EXCEEDED names the
 * length of the pause. What was left of the pause, which can be 1 ms, would not say which limit to raise.
 */
export async function duringPause<T>({ limitMs, left }: Pause, ask: (timeoutMs: number) => Promise<T>): Promise<T> {
  try {
    return await ask(left());
  } catch (error) {
    if (!isReason(error, "MODULE_DEADLINE_EXCEEDED")) throw error;
    const { name = "", method = "" } = error.metadata;
    const timeout = `the pause of ${seconds(limitMs)}`;
    throw HeliosError.of("MODULE_DEADLINE_EXCEEDED", { name, method, timeout }, { cause: error });
  }
}

/** The two versions of a module whose calls wait. */
export interface Sides {
  readonly name: string;
  readonly old: Generation | undefined;
  readonly candidate: Generation;
}

/** Makes new calls of these modules wait, except those that the calls in progress need. Calls `overflow` if too many wait. */
export function hold({ router }: OperationContext, members: readonly Sides[], overflow: () => void): void {
  const draining = new Set(
    members.flatMap(({ old, candidate }) => (old === undefined ? [candidate] : [old, candidate])),
  );
  for (const { name } of members) router.lane(name).hold({ draining, overflow });
}

/** Lets the waiting calls continue in the version that serves. */
export function release({ router }: OperationContext, members: readonly { readonly name: string }[]): void {
  for (const { name } of members) router.lane(name).release();
}

/** For a bake: if a new version ends by itself, calls wait for the old one instead of failing. */
export function guard(context: OperationContext, members: readonly Sides[]): void {
  for (const { candidate } of members) candidate.guard = () => hold(context, members, () => {});
}

/** From now on, the end of a new version counts as a crash again. */
export function unguard(members: readonly Pick<Sides, "candidate">[]): void {
  for (const { candidate } of members) candidate.guard = undefined;
}

/** From now on, the end of an old version counts as a crash again. So does one that has ended while calls waited. */
export function unguardOld(context: OperationContext, members: readonly Pick<Sides, "name" | "old">[]): void {
  for (const { name, old } of members) {
    if (old === undefined) continue;
    old.guard = undefined;
    if (old.ending?.expected === false) context.crashed(name, old);
  }
}

/** Returns the members among `names` and their dependencies. Each stands after those that it calls. */
export function calledFirst<M extends { readonly name: string }>(
  context: OperationContext,
  members: readonly M[],
  names: readonly string[] = members.map(({ name }) => name),
): readonly M[] {
  const byName = new Map(members.map((member) => [member.name, member]));
  return loadOrder(names, dependenciesOf(context)).flatMap((name) => byName.get(name) ?? []);
}
