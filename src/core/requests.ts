import type { Clock, Timer } from "./clock.ts";
import { Collection } from "./store/collection.ts";
import type { Feed } from "./store/feed.ts";

/** How long the answer to a request is remembered. */
export const REPLAY_WINDOW_MS = 600_000;
/** Past this many the oldest are forgotten early. */
const MAX_REMEMBERED = 100_000;

/** A request that was answered. */
export interface AnsweredRequest {
  /** Of the operation and its content: the same id with another digest is another request. */
  readonly digest: string;
  /** The answer, as text. */
  readonly answer: string;
}

/** Remembers the answers to requests that carry an id, across restarts, so that a retry gets the first answer. */
export interface RequestLog {
  find(requestId: string): AnsweredRequest | undefined;
  /** Resolves when it is durable. */
  remember(requestId: string, answered: AnsweredRequest): Promise<void>;
  close(): void;
}

export function createRequestLog({ feed, clock }: { readonly feed: Feed; readonly clock: Clock }): RequestLog {
  const answered = new Collection<AnsweredRequest>(feed, "request/");
  let sweep: Timer | undefined;

  const forgetOld = async (): Promise<void> => {
    const oldest = [...answered.list()].sort((a, b) => a.revision - b.revision);
    const tooMany = oldest.length - MAX_REMEMBERED;
    for (const [index, { name, createTime }] of oldest.entries()) {
      if (index < tooMany || clock.now() - createTime > REPLAY_WINDOW_MS) {
        await answered.remove(name, { action: "ForgetRequest" });
      }
    }
  };
  const sweepLater = (): void => {
    // What could not be forgotten now is forgotten by the next sweep.
    sweep ??= clock.setTimer(REPLAY_WINDOW_MS / 10, () => {
      sweep = undefined;
      void forgetOld()
        .catch(() => {})
        .then(() => {
          if (answered.size > 0) sweepLater();
        });
    });
  };

  return {
    find(requestId) {
      const found = answered.get(requestId);
      if (found === undefined) return undefined;
      sweepLater();
      return clock.now() - found.createTime > REPLAY_WINDOW_MS ? undefined : found.record;
    },
    async remember(requestId, record) {
      sweepLater();
      await answered.change(requestId, { action: "RememberRequest" }, () => record);
    },
    close: () => sweep?.cancel(),
  };
}
