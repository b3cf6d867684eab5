import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Reads the header connect-timeout-ms: the time in ms, undefined without a header, or the error for an invalid one (Connect
 * protocol, "Timeout").
 */
export function readTimeout(value: string): number | undefined | ConnectError {
  if (value === "") return undefined;
  const timeoutMs = parseTimeout(value);
  if (!Number.isNaN(timeoutMs)) return timeoutMs;
  return new ConnectError(`protocol error: invalid connect timeout value: ${value}`, Code.InvalidArgument);
}

/** Returns the time in ms. NaN if it is not such a header. */
export function parseTimeout(value: string): number {
  return /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
}
