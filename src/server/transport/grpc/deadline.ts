import { Code, ConnectError } from "@connectrpc/connect";

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** A longer deadline is none: 1000 years. @limit ms */
const MAX_TIMEOUT_MS = 1000 * 365.25 * 24 * 3_600_000;

/**
 * Reads the header grpc-timeout: the time in ms, undefined without a header, or the error for an invalid one
 * (gRPC over HTTP/2, "Timeout").
 */
export function readTimeout(value: string): number | undefined | ConnectError {
  if (value === "") return undefined;
  const [, count, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  const unitMs = UNIT_MS[unit];
  if (count !== undefined && unitMs !== undefined) {
    const timeoutMs = Number(count) * unitMs;
    return timeoutMs > MAX_TIMEOUT_MS ? undefined : timeoutMs;
  }
  return new ConnectError(`protocol error: invalid grpc timeout value: ${value}`, Code.InvalidArgument);
}
