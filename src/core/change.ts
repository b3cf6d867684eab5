import type { Cause } from "./store/store.ts";

/** Who makes a change, why, and of what state of the resource they know. All optional. */
export interface By {
  readonly actor?: string | undefined;
  readonly reason?: string | undefined;
  /** If given and not empty, the change is refused with ETAG_MISMATCH unless the resource still has this etag. */
  readonly etag?: string | undefined;
}

/** The cause to record for an operation that `by` asked for. */
export function causeOf(action: string, by: By = {}): Cause {
  return {
    action,
    ...(by.actor ? { actor: by.actor } : {}),
    ...(by.reason ? { reason: by.reason } : {}),
  };
}
