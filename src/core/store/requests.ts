import type { Clock } from "../../kernel/clock.ts";
import { REPLAYED_MS, type StoredAnswer } from "./answers.ts";
import type { Feed } from "./feed.ts";

/** How long the answer to a request is remembered. */
export const REPLAY_WINDOW_MS = REPLAYED_MS;

/** A request that was answered. */
export interface AnsweredRequest {
  /** Of the operation and its content: the same id with another digest is another request. */
  readonly digest: string;
  readonly answer: Uint8Array;
}

/**
 * Remembers the answers to requests that carry an id, so that a retry gets the first answer: across restarts where there
 * is a data directory. The answers take so many bytes and no more; one that was dropped early for that, or was too long
 * from the start, leaves the knowledge that its request was carried out.
 */
export interface RequestLog {
  /** Undefined: no request of that id was answered in the last ten minutes. */
  find(requestId: string): StoredAnswer | undefined;
  /** Resolves when it is durable. */
  remember(requestId: string, answered: AnsweredRequest): Promise<void>;
}

export function createRequestLog({ feed, clock }: { readonly feed: Feed; readonly clock: Clock }): RequestLog {
  const { answers } = feed.store;
  return {
    find: (requestId) => answers.find(requestId),
    remember: (requestId, answered) => answers.put(requestId, answered, clock.now() + REPLAY_WINDOW_MS),
  };
}
