import type { OperationContext } from "../../operations/context.ts";
import { hold, type Sides } from "./pause.ts";

/** Before a trial. Keeps calls from a new version that ends in it: they wait for the old one. */
export function guard(context: OperationContext, members: readonly Sides[]): void {
  for (const { candidate } of members) candidate.guard = () => hold(context, members, () => {});
}

/** The end of a new version is a crash again. */
export function unguard(members: readonly Pick<Sides, "candidate">[]): void {
  for (const { candidate } of members) candidate.guard = undefined;
}

/** The end of an old version is a crash again, also where it came while calls were held. */
export function unguardOld(context: OperationContext, members: readonly Pick<Sides, "name" | "old">[]): void {
  for (const { name, old } of members) {
    if (old === undefined) continue;
    old.guard = undefined;
    if (old.ending?.expected === false) context.crashed(name, old);
  }
}
