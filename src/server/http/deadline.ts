import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandlerFn, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { joined, onAbort } from "../../core/async/index.ts";
import { type Clock, LONGEST_PLATFORM_DELAY_MS } from "../../core/index.ts";
import { parseTimeout as parseConnectTimeout } from "../transport/connect/deadline.ts";
import { parseTimeout as parseGrpcTimeout } from "../transport/grpc/deadline.ts";

/**
 * Enforces long deadlines, which the RPC runtime cannot: its timers are limited to 24.8 days, and a longer one would fire
 * at once. Invalid deadlines are left to the runtime, which refuses them.
 */
export function keepLongDeadlines(handler: UniversalHandlerFn, clock: Clock): UniversalHandlerFn {
  return async (request) => {
    const [name, ms] = deadlineOf(request.header);
    if (!(ms > LONGEST_PLATFORM_DELAY_MS)) return handler(request);
    const header = new Headers(request.header);
    header.delete(name);
    const over = joined([request.signal]);
    const late = (): void => over.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    const timer = clock.setTimer(ms, late);
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

/** Returns the header with a call's deadline, and the timeout in ms. NaN if there is none. */
function deadlineOf(header: Headers): readonly [string, number] {
  const grpc = parseGrpcTimeout(header.get("grpc-timeout") ?? "");
  if (!Number.isNaN(grpc)) return ["grpc-timeout", grpc];
  return ["connect-timeout-ms", parseConnectTimeout(header.get("connect-timeout-ms") ?? "")];
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
