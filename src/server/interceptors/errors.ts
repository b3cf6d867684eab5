import type { Interceptor } from "@connectrpc/connect";
import { type ReportUnforeseen, toConnectError } from "../errors.ts";

/** Converts anything that a service throws, at once or during a stream, to an error of the contract. */
export function createErrorMapping(newId: () => string, report: ReportUnforeseen): Interceptor {
  return (next) => async (request) => {
    const mapped = (thrown: unknown): unknown => toConnectError(thrown, request.signal, newId, report);
    try {
      // The deadline has passed, or the caller has left. Nothing needs to be done.
      request.signal.throwIfAborted();
      const response = await next(request);
      return response.stream ? { ...response, message: mapping(response.message, mapped) } : response;
    } catch (thrown) {
      throw mapped(thrown);
    }
  };
}

async function* mapping<T>(messages: AsyncIterable<T>, mapped: (thrown: unknown) => unknown): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (thrown) {
    throw mapped(thrown);
  }
}
