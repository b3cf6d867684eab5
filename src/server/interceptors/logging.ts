import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Clock, LogLevel } from "../../core/index.ts";

/** Takes one line about one call. */
export type LogCall = (level: LogLevel, message: string, fields: Record<string, unknown>) => void;

/**
 * One line for each call when it ends, of a stream too: reads and what tells the same again and again at `debug`, what
 * changes something at `info`, what failed through Helios' own fault at `error`.
 */
export function createCallLog(clock: Clock, log: LogCall): Interceptor {
  return (next) => async (request) => {
    const start = clock.monotonic();
    const rpc = `${request.service.name}/${request.method.name}`;
    const quiet = request.stream || request.method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;
    const tell = (code: string, thrown?: unknown): void => {
      const fields = { rpc, code, durationMs: Math.round((clock.monotonic() - start) * 1000) / 1000 };
      if (thrown === undefined) log(quiet ? "debug" : "info", "call", fields);
      else log(levelOf(code, request.signal), "call failed", { ...fields, error: String(thrown) });
    };
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: told(response.message, tell) };
      tell("ok");
      return response;
    } catch (thrown) {
      tell(codeOf(thrown), thrown);
      throw thrown;
    }
  };
}

async function* told<T>(messages: AsyncIterable<T>, tell: (code: string, thrown?: unknown) => void): AsyncGenerator<T> {
  let code = "canceled";
  let failure: unknown;
  try {
    yield* messages;
    code = "ok";
  } catch (thrown) {
    [code, failure] = [codeOf(thrown), thrown];
    throw thrown;
  } finally {
    tell(code, code === "canceled" ? undefined : failure);
  }
}

/** That a caller has left is nothing that went wrong. */
function levelOf(code: string, { aborted }: AbortSignal): LogLevel {
  if (code === "internal") return "error";
  return code === "canceled" || (aborted && code === "aborted") ? "debug" : "info";
}

function codeOf(thrown: unknown): string {
  return (Code[ConnectError.from(thrown).code] ?? "unknown").toLowerCase();
}
