import type { Interceptor } from "@connectrpc/connect";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import type { Serving } from "../services/health.ts";

/**
 * Refuses calls that come when the server has begun to end, with its reason and the time to retry after: over HTTP/2 some
 * are under way when it says so. Health answers to the end. Calls that are still under way when `over` is aborted are
 * answered by its reason, whatever they wait for.
 */
export function createDrainGate(serving: Serving, over: AbortSignal): Interceptor {
  const unlessOver = unlessAborted(over);
  return (next) => async (request) => {
    if (serving.ended !== undefined && request.service.typeName !== Health.typeName) throw serving.ended;
    const response = await unlessOver(next(request));
    return response.stream ? { ...response, message: untilOver(unlessOver, response.message) } : response;
  };
}

/** Settles as a promise does, or rejects with the signal's reason if that is aborted first. */
type UnlessOver = <T>(answer: Promise<T>) => Promise<T>;

/** One listener for all calls: to add one to a signal takes as long as it has listeners, and every open stream is one. */
function unlessAborted(over: AbortSignal): UnlessOver {
  const waiting = new Set<() => void>();
  const endAll = (): void => {
    for (const end of waiting) end();
  };
  over.addEventListener("abort", endAll, { once: true });
  return (answer) =>
    new Promise((resolve, reject) => {
      const end = (): void => reject(over.reason);
      if (over.aborted) end();
      waiting.add(end);
      answer.then(resolve, reject).finally(() => waiting.delete(end));
    });
}

async function* untilOver<T>(unlessOver: UnlessOver, messages: AsyncIterable<T>): AsyncGenerator<T> {
  const reader = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await unlessOver(reader.next());
      if (done) return;
      yield value;
    }
  } finally {
    // One that waits for something else hears of it when that has come.
    void reader.return?.()?.catch(() => {});
  }
}
