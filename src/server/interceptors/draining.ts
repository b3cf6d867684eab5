import type { Interceptor } from "@connectrpc/connect";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { type Limit, onAbort, race } from "../../core/index.ts";
import type { Serving } from "../services/health.ts";

/**
 * Refuses calls that come when the server has begun to end, with its reason and the time to retry after: over HTTP/2 some
 * are under way when it says so. Health answers to the end. Calls that are still under way when `over` is aborted are
 * answered by its reason, whatever they wait for.
 */
export function createDrainGate(serving: Serving, over: AbortSignal): Interceptor {
  const limit = sharedLimit(over);
  return (next) => async (request) => {
    if (serving.ended !== undefined && request.service.typeName !== Health.typeName) throw serving.ended;
    const response = await race(next(request), [limit]);
    return response.stream ? { ...response, message: untilOver(limit, response.message) } : response;
  };
}

/** One listener for all calls: to add one to a signal takes as long as it has listeners, and every open stream is one. */
function sharedLimit(over: AbortSignal): Limit {
  const waiting = new Set<() => void>();
  onAbort(over, () => {
    for (const end of waiting) end();
  });
  return (end) => {
    const endNow = (): void => end(over.reason);
    if (over.aborted) endNow();
    waiting.add(endNow);
    return () => waiting.delete(endNow);
  };
}

async function* untilOver<T>(limit: Limit, messages: AsyncIterable<T>): AsyncGenerator<T> {
  const reader = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await race(reader.next(), [limit]);
      if (done) return;
      yield value;
    }
  } finally {
    // One that waits for something else hears of it when that has come.
    void reader.return?.()?.catch(() => {});
  }
}
