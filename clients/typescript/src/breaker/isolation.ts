import type { IsolationNotice } from "./service-breaker.ts";

/** Whether the service rejects only this client. `notices` counts the messages of the service about it. */
export type Isolation =
  | { readonly state: "TOGETHER"; readonly notices: number }
  /** `until`: when the service may let this client through again. */
  | { readonly state: "ISOLATED"; readonly notices: number; readonly until: number };

export const TOGETHER: Isolation = { state: "TOGETHER", notices: 0 };

/** Returns the isolation after a message of the service. An undefined notice means that this client is not isolated. */
export function afterNotice({ notices }: Isolation, notice: IsolationNotice | undefined, now: number): Isolation {
  if (notice === undefined) return { state: "TOGETHER", notices: notices + 1 };
  return { state: "ISOLATED", notices: notices + 1, until: now + notice.retryAfterMs };
}

/** Returns the isolation after the breaker was deleted or the connection was lost. It ends without a message of the service. */
export function ended({ notices }: Isolation): Isolation {
  return { state: "TOGETHER", notices };
}
