import type { Cause } from "./store/store.ts";
import { refuse, textViolation } from "./violation.ts";

/** Characters of an actor at most. */
export const ACTOR_LIMIT = 256;
/** Characters of a reason at most. */
export const REASON_LIMIT = 1024;

/** Who makes a change, why, and of what state of the resource they know. All optional. */
export interface By {
  /** At most 256 characters. */
  readonly actor?: string | undefined;
  /** At most 1,024 characters. */
  readonly reason?: string | undefined;
  /** If given and not empty, the change is refused with ETAG_MISMATCH unless the resource still has this etag. */
  readonly etag?: string | undefined;
}

/** The cause to record for an operation that `by` asked for. ARGUMENT_INVALID for texts that are too long. */
export function causeOf(action: string, by: By = {}): Cause {
  const { actor = "", reason = "" } = by;
  refuse(textViolation(["actor"], actor, ACTOR_LIMIT) ?? textViolation(["reason"], reason, REASON_LIMIT));
  return { action, ...(actor ? { actor } : {}), ...(reason ? { reason } : {}) };
}
