import { ConnectError } from "@connectrpc/connect";
import type { CallDeps, CallPlan, Route } from "../../calls/route.ts";
import { onlyValue } from "../direct/head.ts";
import type { Accept } from "../direct/stream.ts";
import { GrpcCall } from "./call.ts";
import { readTimeout } from "./deadline.ts";

/** Content types of protobuf without compression or text encoding (gRPC over HTTP/2, "Content-Type"). */
const CONTENT_TYPES: ReadonlySet<string> = new Set(["application/grpc", "application/grpc+proto"]);

/**
 * Returns what accepts gRPC calls of the given methods, by path. Compressed requests, gRPC-Web, and other formats of messages
 * are not accepted here.
 */
export function createGrpc(routes: ReadonlyMap<string, Route>, deps: CallDeps): Accept {
  return (head) => {
    const { path, fields, contentType, authority, scheme } = head;
    const route = routes.get(path);
    if (route === undefined || !CONTENT_TYPES.has(contentType)) return undefined;
    const coding = onlyValue(fields, "grpc-encoding");
    const timeout = onlyValue(fields, "grpc-timeout");
    if ((coding !== "" && coding !== "identity") || timeout === undefined) return undefined;
    const read = readTimeout(timeout);
    const refusal = read instanceof ConnectError ? read : undefined;
    const timeoutMs = typeof read === "number" ? read : undefined;
    const origin = { method: route.method, protocolName: "grpc", path, authority, scheme, fields, timeoutMs };
    const plan: CallPlan = { route, origin, refusal };
    return (stream) => {
      const call = new GrpcCall(stream, plan, deps);
      call.begin();
      return call;
    };
  };
}
