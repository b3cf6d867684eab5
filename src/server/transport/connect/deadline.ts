import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Reads the header connect-timeout-ms: the time in ms, undefined without a header, or the error for an invalid one (Connect
 * protocol, "Timeout").
 */
export function readTimeout(value: string): number | undefined | ConnectError {
  if (value === "") return undefined;
  if (/^\d{1,10}$/.test(value)) return Number(value);
  return new ConnectError(`protocol error: invalid connect timeout value: ${value}`, Code.InvalidArgument);
}
