import { type Dialect, planOf } from "../../calls/plan.ts";
import type { CallDeps, Route } from "../../calls/route.ts";
import type { Accept } from "../direct/stream.ts";
import { GrpcCall } from "./call.ts";
import { readTimeout } from "./deadline.ts";

/** Content types of protobuf without compression or text encoding (gRPC over HTTP/2, "Content-Type"). */
const CONTENT_TYPES: ReadonlySet<string> = new Set(["application/grpc", "application/grpc+proto"]);

const GRPC: Dialect = { protocolName: "grpc", coding: "grpc-encoding", timeout: "grpc-timeout", readTimeout };

/**
 * Returns what accepts gRPC calls of the given methods, by path. Compressed requests, gRPC-Web, and other formats of messages
 * are not accepted here.
 */
export function createGrpc(routes: ReadonlyMap<string, Route>, deps: CallDeps): Accept {
  return (head) => {
    const route = routes.get(head.path);
    if (route === undefined || !CONTENT_TYPES.has(head.contentType)) return undefined;
    const plan = planOf(head, route, GRPC);
    if (plan === undefined) return undefined;
    return (stream) => {
      const call = new GrpcCall(stream, plan, deps);
      call.begin();
      return call;
    };
  };
}
