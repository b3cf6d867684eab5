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

/** What the calls of a method have in common. */
interface Kind {
  readonly rpc: string;
  /** The level of a call that does not fail. */
  readonly level: LogLevel;
  readonly clock: Clock;
  readonly log: LogCall;
}

/**
 * Logs one line for each call or stream when it ends: reads and periodic messages at `debug`, changes at `info`, and
 * failures that are the fault of Helios at `error`. A line whose level is off is not created.
 */
export function createCallLog(clock: Clock, log: LogCall) {
  return {
    /** Returns the function that begins a call of a method. */
    of(method: DescMethod): () => EndOfCall {
      const isQuiet =
        method.methodKind !== "unary" || method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;
      const rpc = `${method.parent.name}/${method.name}`;
      const kind: Kind = { rpc, level: isQuiet ? "debug" : "info", clock, log };
      return () => new EndOfCall(kind);
    },
  };
}

/** Logs the end of one call. One of the methods is called, once. */
export class EndOfCall {
  readonly #kind: Kind;
  readonly #start: number;

  constructor(kind: Kind) {
    this.#kind = kind;
    this.#start = kind.clock.monotonic();
  }

  succeeded(): void {
    this.#write(this.#kind.level, "call", "ok");
  }

  /** The caller has left a stream. */
  left(): void {
    this.#write(this.#kind.level, "call", "canceled");
  }

  /** `isGone`: the caller has left, or its deadline has passed. */
  failed(error: ConnectError, isGone: boolean): void {
    const code = (Code[error.code] ?? "unknown").toLowerCase();
    this.#write(levelOf(code, isGone), "call failed", code, error);
  }

  #write(level: LogLevel, message: string, code: string, error?: ConnectError): void {
    const { log, clock, rpc } = this.#kind;
    if (log.isOn?.(level) === false) return;
    const durationMs = Math.round((clock.monotonic() - this.#start) * 1000) / 1000;
    log(level, message, { rpc, code, durationMs, ...(error === undefined ? {} : { error: String(error) }) });
  }
}

/** A caller that leaves is not an error. */
function levelOf(code: string, isGone: boolean): LogLevel {
  if (code === "internal") return "error";
  return code === "canceled" || (isGone && code === "aborted") ? "debug" : "info";
}
