import { Code, ConnectError } from "@connectrpc/connect";

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** A longer deadline has no effect: 1000 years. @limit ms */
const MAX_TIMEOUT_MS = 1000 * 365.25 * 24 * 3_600_000;

/**
 * Reads the header grpc-timeout: the time in ms, undefined without a header, or the error for an invalid one
 * (gRPC over HTTP/2, "Timeout").
 */
export function readTimeout(value: string): number | undefined | ConnectError {
  if (value === "") return undefined;
  const timeoutMs = parseTimeout(value);
  if (!Number.isNaN(timeoutMs)) return timeoutMs > MAX_TIMEOUT_MS ? undefined : timeoutMs;
  return new ConnectError(`protocol error: invalid grpc timeout value: ${value}`, Code.InvalidArgument);
}

/** Returns the time in ms. NaN if it is not such a header. */
export function parseTimeout(value: string): number {
  const [, count, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  return Number(count) * (UNIT_MS[unit] ?? Number.NaN);
}
