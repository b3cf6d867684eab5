import { ConnectError } from "@connectrpc/connect";
import { onlyValue, type RequestHead } from "../transport/direct/head.ts";
import type { CallPlan, Route } from "./route.ts";

/** How a protocol writes what every call may have. */
export interface Dialect {
  readonly protocolName: string;
  /** The header that names the compression of the request. */
  readonly coding: string;
  /** The header with the caller's timeout. */
  readonly timeout: string;
  /** Reads the timeout: in ms, undefined for ever, or the error for an invalid one. */
  readTimeout(value: string): number | undefined | ConnectError;
}

/** Returns the plan for calls with that head. Undefined for compressed requests, and for a timeout that occurs several times. */
export function planOf(head: RequestHead, route: Route, dialect: Dialect): CallPlan | undefined {
  const { path, fields, authority, scheme } = head;
  const coding = onlyValue(fields, dialect.coding);
  const timeout = onlyValue(fields, dialect.timeout);
  if ((coding !== "" && coding !== "identity") || timeout === undefined) return undefined;
  const read = dialect.readTimeout(timeout);
  const refusal = read instanceof ConnectError ? read : undefined;
  const timeoutMs = typeof read === "number" ? read : undefined;
  const { protocolName } = dialect;
  const origin = { method: route.method, protocolName, path, authority, scheme, fields, timeoutMs };
  return { route, origin, refusal };
}
