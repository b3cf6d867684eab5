import type { Clock } from "../../kernel/clock.ts";
import { REPLAYED_MS, type StoredAnswer } from "./answers.ts";
import type { Feed } from "./feed.ts";

/** Time for which the answer to a request is stored, in ms. */
export const REPLAY_WINDOW_MS = REPLAYED_MS;

/** A request that was answered. */
export interface AnsweredRequest {
  /** Hash of the operation and its content. The same id with another digest is another request. */
  readonly digest: string;
  readonly answer: Uint8Array;
}

/**
 * Stores the answers to requests that have an id, so that a retry gets the first answer. With a data directory they survive
 * a restart. The size of all answers is limited. If an answer was too long, or was deleted early, the log still knows that
 * the request was carried out.
 */
export interface RequestLog {
  /** Returns undefined if no request with that id was answered in the last ten minutes. */
  find(requestId: string): StoredAnswer | undefined;
  /** Resolves when the answer is durable. */
  remember(requestId: string, answered: AnsweredRequest): Promise<void>;
}

export function createRequestLog({ feed, clock }: { readonly feed: Feed; readonly clock: Clock }): RequestLog {
  const { answers } = feed.store;
  return {
    find: (requestId) => answers.find(requestId),
    remember: (requestId, answered) => answers.put(requestId, answered, clock.now() + REPLAY_WINDOW_MS),
  };
}
