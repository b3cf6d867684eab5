import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Clock, LogLevel } from "../../core/index.ts";

/** Logs one line about one call. */
export type LogCall = (level: LogLevel, message: string, fields: Record<string, unknown>) => void;

/**
 * Logs one line for each call or stream when it ends: reads and periodic messages at `debug`, changes at `info`, and
 * failures that are the fault of Helios at `error`.
 */
export function createCallLog(clock: Clock, log: LogCall): Interceptor {
  return (next) => async (request) => {
    const start = clock.monotonic();
    const rpc = `${request.service.name}/${request.method.name}`;
    const quiet = request.stream || request.method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;
    const logEnd = (code: string, thrown?: unknown): void => {
      const fields = { rpc, code, durationMs: Math.round((clock.monotonic() - start) * 1000) / 1000 };
      if (thrown === undefined) log(quiet ? "debug" : "info", "call", fields);
      else log(levelOf(code, request.signal), "call failed", { ...fields, error: String(thrown) });
    };
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: loggingEnd(response.message, logEnd) };
      logEnd("ok");
      return response;
    } catch (thrown) {
      logEnd(codeOf(thrown), thrown);
      throw thrown;
    }
  };
}

async function* loggingEnd<T>(
  messages: AsyncIterable<T>,
  logEnd: (code: string, thrown?: unknown) => void,
): AsyncGenerator<T> {
  let code = "canceled";
  let failure: unknown;
  try {
    yield* messages;
    code = "ok";
  } catch (thrown) {
    [code, failure] = [codeOf(thrown), thrown];
    throw thrown;
  } finally {
    logEnd(code, code === "canceled" ? undefined : failure);
  }
}

/** A caller that leaves is not an error. */
function levelOf(code: string, { aborted }: AbortSignal): LogLevel {
  if (code === "internal") return "error";
  return code === "canceled" || (aborted && code === "aborted") ? "debug" : "info";
}

function codeOf(thrown: unknown): string {
  return (Code[ConnectError.from(thrown).code] ?? "unknown").toLowerCase();
}
