import type { Interceptor } from "@connectrpc/connect";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import type { Serving } from "../health.ts";

/**
 * Refuses calls that come when the server has begun to end, with its reason and the time to retry after: over HTTP/2 some
 * are under way when it says so. Health answers to the end. Calls that are still under way when `over` is aborted are
 * answered by its reason, whatever they wait for.
 */
export function createDrainGate(serving: Serving, over: AbortSignal): Interceptor {
  return (next) => async (request) => {
    if (serving.ended !== undefined && request.service.typeName !== Health.typeName) throw serving.ended;
    const response = await unlessOver(over, next(request));
    return response.stream ? { ...response, message: untilOver(over, response.message) } : response;
  };
}

function unlessOver<T>(over: AbortSignal, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => reject(over.reason);
    if (over.aborted) end();
    over.addEventListener("abort", end, { once: true });
    answer.then(resolve, reject).finally(() => over.removeEventListener("abort", end));
  });
}

async function* untilOver<T>(over: AbortSignal, messages: AsyncIterable<T>): AsyncGenerator<T> {
  const reader = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await unlessOver(over, reader.next());
      if (done) return;
      yield value;
    }
  } finally {
    // One that waits for something else hears of it when that has come.
    void reader.return?.()?.catch(() => {});
  }
}
