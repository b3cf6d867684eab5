import type { Interceptor } from "@connectrpc/connect";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { type Limit, onAbort, race } from "../../core/async/index.ts";
import type { Serving } from "../services/health.ts";

/**
 * Refuses calls that arrive after the shutdown has begun, with SERVER_DRAINING and the time to retry after. In HTTP/2 some
 * calls arrive before the client learns of the shutdown. The health service answers to the end. Calls that are still in
 * progress when `over` is aborted end with its reason.
 */
export function createDrainGate(serving: Serving, over: AbortSignal): Interceptor {
  const limit = sharedLimit(over);
  return (next) => async (request) => {
    if (serving.ended !== undefined && request.service.typeName !== Health.typeName) throw serving.ended;
    const response = await race(next(request), [limit]);
    return response.stream ? { ...response, message: untilOver(limit, response.message) } : response;
  };
}

/**
 * One listener for all calls. Adding a listener to a signal takes time for each existing listener, and every open stream
 * would be one.
 */
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
    // A reader that waits for something else ends when that has come.
    void reader.return?.()?.catch(() => {});
  }
}
