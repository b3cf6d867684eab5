import type { Generation } from "../../calls/generation.ts";
import { dependenciesOf, type OperationContext } from "../../operations/context.ts";
import { loadOrder } from "../../record/dependencies.ts";

/**
 * Time for which calls are held while a swap hands state over, unless `max_pause` says otherwise, and at most half of
 * `call_timeout`. The swap fails beyond it, and the old version serves on. Held calls keep their deadlines. @limit ms
 */
export const PAUSE_LIMIT_MS = 5000;

/** A time in which calls are held. */
export interface Pause {
  readonly limitMs: number;
  /** What is left of it, in ms, and 1 at least. */
  left(): number;
}

export function beginPause({ clock }: OperationContext, limitMs: number): Pause {
  const end = clock.monotonic() + limitMs;
  return { limitMs, left: () => Math.max(1, end - clock.monotonic()) };
}

/** The versions of one module of which calls are held. */
export interface Sides {
  readonly name: string;
  readonly old: Generation | undefined;
  readonly candidate: Generation;
}

/** From now on the calls of these modules wait, but for what those under way need. */
export function hold({ router }: OperationContext, members: readonly Sides[], overflow: () => void): void {
  const draining = new Set(
    members.flatMap(({ old, candidate }) => (old === undefined ? [candidate] : [old, candidate])),
  );
  for (const { name } of members) router.lane(name).hold({ draining, overflow });
}

/** Calls that were held go to what serves. */
export function release({ router }: OperationContext, members: readonly { readonly name: string }[]): void {
  for (const { name } of members) router.lane(name).release();
}

/** Those of `members` that `names` are or need, each after those that it calls. */
export function calledFirst<M extends { readonly name: string }>(
  context: OperationContext,
  members: readonly M[],
  names: readonly string[] = members.map(({ name }) => name),
): readonly M[] {
  const byName = new Map(members.map((member) => [member.name, member]));
  return loadOrder(names, dependenciesOf(context)).flatMap((name) => byName.get(name) ?? []);
}
