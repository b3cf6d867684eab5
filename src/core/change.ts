import { refuse, textViolation } from "./errors/violation.ts";
import type { Cause } from "./store/store.ts";

/** Length of an `actor`; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
export const ACTOR_LIMIT = 256;
/** Length of a `reason`; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
export const REASON_LIMIT = 1024;

/** Who makes a change, why, and which state of the resource they have seen. All members are optional. */
export interface By {
  /** At most 256 characters. */
  readonly actor?: string | undefined;
  /** At most 1,024 characters. */
  readonly reason?: string | undefined;
  /** If given and not empty, the change is refused with ETAG_MISMATCH unless the resource still has this etag. */
  readonly etag?: string | undefined;
}

/** Returns the cause to store for an operation. Throws ARGUMENT_INVALID if a text is too long. */
export function causeOf(action: string, by: By = {}): Cause {
  const { actor = "", reason = "" } = by;
  refuse(textViolation(["actor"], actor, ACTOR_LIMIT) ?? textViolation(["reason"], reason, REASON_LIMIT));
  return { action, ...(actor ? { actor } : {}), ...(reason ? { reason } : {}) };
}
