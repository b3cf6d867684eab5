import type { EvaluationContext } from "../../kernel/flags/evaluation.ts";
import { isReason } from "../errors/error.ts";
import type { Cause } from "../store/store.ts";
import type { Flags } from "./types.ts";

/** The change since which a flag is off for a context. */
export interface SwitchedOff {
  /** The flag that was changed: the one asked for, or one that it needs. */
  readonly flag: string;
  readonly cause: Cause;
  /** Wall time in ms. */
  readonly time: number;
}

export type FlagPasts = Pick<Flags, "get" | "evaluate" | "evaluateAsOf" | "history">;

/** Newest changes of a flag that are searched for the one that switched it off. @limit changes */
const CHANGES_LOOKED_AT = 50;

/**
 * Who switched a flag off that is off for that context: the last change before which it was on, of the flag or of one
 * that it needs; where it never was on, or that is not kept any more, the oldest change that is looked at. Undefined:
 * there is no such flag.
 */
export async function whoSwitchedOff(
  flags: FlagPasts,
  name: string,
  context: EvaluationContext,
): Promise<SwitchedOff | undefined> {
  const flag = culprit(flags, name, context, new Set());
  try {
    const changes = await flags.history(flag, { limit: CHANGES_LOOKED_AT });
    for (const { revision, cause, time } of changes) {
      if (await wasOn(flags, flag, context, revision - 1)) return { flag, cause, time };
    }
    const oldest = changes.at(-1);
    return oldest && { flag, cause: oldest.cause, time: oldest.time };
  } catch (error) {
    if (isReason(error, "FLAG_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** The flag itself, or among those that it needs the deepest that is off. */
function culprit(flags: FlagPasts, name: string, context: EvaluationContext, seen: Set<string>): string {
  seen.add(name);
  try {
    for (const needed of flags.get(name).record.prerequisites ?? []) {
      if (!seen.has(needed) && !flags.evaluate(needed, context).enabled) return culprit(flags, needed, context, seen);
    }
  } catch (error) {
    // One that is needed and is not there: the flag that needs it was changed.
    if (!isReason(error, "FLAG_NOT_FOUND")) throw error;
  }
  return name;
}

async function wasOn(flags: FlagPasts, name: string, context: EvaluationContext, revision: number): Promise<boolean> {
  if (revision < 1) return false;
  try {
    return (await flags.evaluateAsOf(name, context, revision)).enabled;
  } catch (error) {
    // It was created by that change, or what was before is not kept.
    if (isReason(error, "FLAG_NOT_FOUND") || isReason(error, "FLAG_REVISION_UNAVAILABLE")) return false;
    throw error;
  }
}
