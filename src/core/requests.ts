import type { Clock, Timer } from "./clock.ts";
import { Collection } from "./store/collection.ts";
import type { Feed } from "./store/feed.ts";

/** How long the answer to a request is remembered. */
export const REPLAY_WINDOW_MS = 600_000;
/** Past this many the oldest are forgotten early. */
const MAX_REMEMBERED = 100_000;
/** A longer answer is remembered in memory alone: the store is no place for it. */
const MAX_STORED_CHARS = 64 * 1024;
/** Of all those; past it the oldest are forgotten early. */
const MAX_MEMORY_CHARS = 64 * 1024 * 1024;

/** A request that was answered. */
export interface AnsweredRequest {
  /** Of the operation and its content: the same id with another digest is another request. */
  readonly digest: string;
  /** The answer, as text. */
  readonly answer: string;
}

/**
 * Remembers the answers to requests that carry an id, so that a retry gets the first answer: across restarts, unless the
 * answer is longer than 64 Ki characters.
 */
export interface RequestLog {
  find(requestId: string): AnsweredRequest | undefined;
  /** Resolves when it is durable, if it is short enough for that. */
  remember(requestId: string, answered: AnsweredRequest): Promise<void>;
  close(): void;
}

export function createRequestLog({ feed, clock }: { readonly feed: Feed; readonly clock: Clock }): RequestLog {
  const answered = new Collection<AnsweredRequest>(feed, "request/");
  const long = createLongAnswers(clock);
  let sweep: Timer | undefined;
  let closed = false;

  const forgetOld = async (): Promise<void> => {
    const oldest = [...answered.list()].sort((a, b) => a.revision - b.revision);
    const tooMany = oldest.length - MAX_REMEMBERED;
    for (const [index, { name, updateTime }] of oldest.entries()) {
      if (index < tooMany || clock.now() - updateTime > REPLAY_WINDOW_MS) {
        await answered.remove(name, { action: "ForgetRequest" });
      }
    }
  };
  const sweepLater = (): void => {
    if (closed) return;
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
      if (found === undefined) return long.find(requestId);
      sweepLater();
      return clock.now() - found.updateTime > REPLAY_WINDOW_MS ? undefined : found.record;
    },
    async remember(requestId, record) {
      if (record.answer.length > MAX_STORED_CHARS) return long.remember(requestId, record);
      sweepLater();
      await answered.change(requestId, { action: "RememberRequest" }, () => record);
    },
    close() {
      closed = true;
      sweep?.cancel();
    },
  };
}

/** Answers that are too long for the store. */
function createLongAnswers(
  clock: Clock,
): Pick<RequestLog, "find"> & { remember(id: string, record: AnsweredRequest): void } {
  const answers = new Map<string, AnsweredRequest & { readonly time: number }>();
  let chars = 0;
  const forget = (id: string): void => {
    chars -= answers.get(id)?.answer.length ?? 0;
    answers.delete(id);
  };
  return {
    find(id) {
      const found = answers.get(id);
      return found === undefined || clock.monotonic() - found.time > REPLAY_WINDOW_MS ? undefined : found;
    },
    remember(id, record) {
      forget(id);
      answers.set(id, { ...record, time: clock.monotonic() });
      chars += record.answer.length;
      // The order of a Map is that of insertion: the oldest stand first.
      for (const [oldest, { time }] of answers) {
        if (chars <= MAX_MEMORY_CHARS && clock.monotonic() - time <= REPLAY_WINDOW_MS) break;
        forget(oldest);
      }
    },
  };
}
