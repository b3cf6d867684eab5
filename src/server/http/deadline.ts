import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandlerFn, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { joined, onAbort } from "../../core/async/index.ts";
import { type Clock, LONGEST_PLATFORM_DELAY_MS } from "../../core/index.ts";
import { parseTimeout as parseConnectTimeout } from "../transport/connect/deadline.ts";
import { parseTimeout as parseGrpcTimeout } from "../transport/grpc/deadline.ts";

/** The error of a call whose deadline has passed, in the words of Connect. */
export const timedOut = (): ConnectError => new ConnectError("the operation timed out", Code.DeadlineExceeded);

/**
 * Enforces long deadlines, which the RPC runtime cannot: its timers are limited to 24.8 days, and a longer one would fire
 * at once. Invalid deadlines are left to the runtime, which refuses them.
 */
export function keepLongDeadlines(handler: UniversalHandlerFn, clock: Clock): UniversalHandlerFn {
  return async (request) => {
    const { name, ms } = deadlineOf((each) => request.header.get(each) ?? "");
    if (!(ms > LONGEST_PLATFORM_DELAY_MS)) return handler(request);
    const header = new Headers(request.header);
    header.delete(name);
    const over = joined([request.signal]);
    const timer = clock.setTimer(ms, () => over.abort(timedOut()));
    onAbort(over.signal, () => timer.cancel());
    const done = (): void => {
      timer.cancel();
      over.release();
    };
    try {
      return withEnd(await handler({ ...request, header, signal: over.signal } as UniversalServerRequest), done);
    } catch (error) {
      done();
      throw error;
    }
  };
}

/**
 * Returns the timeout of a call in ms, NaN if it has none or an invalid one, and the name of its header. `headerOf` returns the
 * value of a header, "" if it is absent.
 */
export function deadlineOf(headerOf: (name: string) => string): { readonly name: string; readonly ms: number } {
  const isGrpc = headerOf("content-type").startsWith("application/grpc");
  const name = isGrpc ? "grpc-timeout" : "connect-timeout-ms";
  return { name, ms: (isGrpc ? parseGrpcTimeout : parseConnectTimeout)(headerOf(name)) };
}

function withEnd(response: UniversalServerResponse, done: () => void): UniversalServerResponse {
  const { body } = response;
  if (body === undefined) {
    done();
    return response;
  }
  async function* toTheEnd(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    try {
      yield* body as AsyncIterable<Uint8Array<ArrayBuffer>>;
    } finally {
      done();
    }
  }
  return { ...response, body: toTheEnd() };
}
