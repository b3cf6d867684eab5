import type { EvaluationContext } from "../../kernel/flags/evaluation.ts";
import { isReason } from "../errors/error.ts";
import type { Cause } from "../store/store.ts";
import type { Flags } from "./types.ts";

/** The change that switched a flag off for a context. */
export interface SwitchedOff {
  /** The changed flag: the one asked for, or one of its prerequisites. */
  readonly flag: string;
  readonly cause: Cause;
  /** Wall time in ms. */
  readonly time: number;
}

export type FlagPasts = Pick<Flags, "get" | "evaluate" | "evaluateAsOf" | "history">;

/** Newest changes of a flag that are searched for the one that switched it off. @limit changes */
const CHANGES_LOOKED_AT = 50;

/**
 * Finds the change that switched off a flag that is off for the context: the last change of the flag, or of one of its
 * prerequisites, before which it was on. If it never was on, or that change is no longer kept, the oldest change that was
 * looked at. Undefined if there is no such flag.
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

/** The deepest of its prerequisites that is off; the flag itself if none is. */
function culprit(flags: FlagPasts, name: string, context: EvaluationContext, seen: Set<string>): string {
  seen.add(name);
  try {
    for (const needed of flags.get(name).record.prerequisites ?? []) {
      if (!seen.has(needed) && !flags.evaluate(needed, context).enabled) return culprit(flags, needed, context, seen);
    }
  } catch (error) {
    // A prerequisite does not exist, so the flag that needs it was changed.
    if (!isReason(error, "FLAG_NOT_FOUND")) throw error;
  }
  return name;
}

async function wasOn(flags: FlagPasts, name: string, context: EvaluationContext, revision: number): Promise<boolean> {
  if (revision < 1) return false;
  try {
    return (await flags.evaluateAsOf(name, context, revision)).enabled;
  } catch (error) {
    // The change created the flag, or the state before it is no longer kept.
    if (isReason(error, "FLAG_NOT_FOUND") || isReason(error, "FLAG_REVISION_UNAVAILABLE")) return false;
    throw error;
  }
}
