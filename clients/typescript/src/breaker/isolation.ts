import type { IsolationNotice } from "./service-breaker.ts";

/** Whether the service rejects this client alone. `notices` counts how often it said so, or said that it does not. */
export type Isolation =
  | { readonly state: "TOGETHER"; readonly notices: number }
  /** `until`: when the service may let this client through again. */
  | { readonly state: "ISOLATED"; readonly notices: number; readonly until: number };

export const TOGETHER: Isolation = { state: "TOGETHER", notices: 0 };

/** What the service said at that time; undefined: this client is not isolated. */
export function afterNotice({ notices }: Isolation, notice: IsolationNotice | undefined, now: number): Isolation {
  if (notice === undefined) return { state: "TOGETHER", notices: notices + 1 };
  return { state: "ISOLATED", notices: notices + 1, until: now + notice.retryAfterMs };
}

/** The service has not said so, but there is nothing left to be isolated from. */
export function ended({ notices }: Isolation): Isolation {
  return { state: "TOGETHER", notices };
}
