import type { OperationContext } from "../../operations/context.ts";
import { hold, type Sides } from "./pause.ts";

/** For a trial: when a new version ends by itself, calls wait for the old one. */
export function guard(context: OperationContext, members: readonly Sides[]): void {
  for (const { candidate } of members) candidate.guard = () => hold(context, members, () => {});
}

/** Has the end of a new version be a crash again. */
export function unguard(members: readonly Pick<Sides, "candidate">[]): void {
  for (const { candidate } of members) candidate.guard = undefined;
}

/** Has the end of an old version be a crash again, also where it ended while calls were held. */
export function unguardOld(context: OperationContext, members: readonly Pick<Sides, "name" | "old">[]): void {
  for (const { name, old } of members) {
    if (old === undefined) continue;
    old.guard = undefined;
    if (old.ending?.expected === false) context.crashed(name, old);
  }
}
