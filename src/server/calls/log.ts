import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import type { Clock, LogLevel } from "../../core/index.ts";

/** Logs one line about one call. */
export interface LogCall {
  (level: LogLevel, message: string, fields: Record<string, unknown>): void;
  /** Whether a line of that level is written. Absent: every line is. */
  readonly isOn?: (level: LogLevel) => boolean;
}

/** Logs the end of one call. One of the methods is called, once. */
export interface EndOfCall {
  succeeded(): void;
  /** The caller has left a stream. */
  left(): void;
  /** `isGone`: the caller has left, or its deadline has passed. */
  failed(error: ConnectError, isGone: boolean): void;
}

/**
 * Logs one line for each call or stream when it ends: reads and periodic messages at `debug`, changes at `info`, and
 * failures that are the fault of Helios at `error`. A line whose level is off is not created.
 */
export function createCallLog(clock: Clock, log: LogCall) {
  const isOn = log.isOn ?? (() => true);
  return {
    /** Returns the function that begins a call of a method. */
    of(method: DescMethod): () => EndOfCall {
      const rpc = `${method.parent.name}/${method.name}`;
      const isQuiet =
        method.methodKind !== "unary" || method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;
      const level = isQuiet ? "debug" : "info";
      return () => {
        const start = clock.monotonic();
        const line = (code: string): Record<string, unknown> => ({
          rpc,
          code,
          durationMs: Math.round((clock.monotonic() - start) * 1000) / 1000,
        });
        return {
          succeeded() {
            if (isOn(level)) log(level, "call", line("ok"));
          },
          left() {
            if (isOn(level)) log(level, "call", line("canceled"));
          },
          failed(error, isGone) {
            const code = (Code[error.code] ?? "unknown").toLowerCase();
            const failed = levelOf(code, isGone);
            if (isOn(failed)) log(failed, "call failed", { ...line(code), error: String(error) });
          },
        };
      };
    },
  };
}

/** A caller that leaves is not an error. */
function levelOf(code: string, isGone: boolean): LogLevel {
  if (code === "internal") return "error";
  return code === "canceled" || (isGone && code === "aborted") ? "debug" : "info";
}
