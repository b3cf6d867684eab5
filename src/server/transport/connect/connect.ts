import type { Registry } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import type { CallDeps, CallPlan, Route } from "../../calls/route.ts";
import { onlyValue, type RequestHead } from "../direct/head.ts";
import type { Accept } from "../direct/stream.ts";
import type { RequestHandler } from "../request-handler.ts";
import { ConnectCall } from "./call.ts";
import { readTimeout } from "./deadline.ts";
import { createFormats, type Format } from "./format.ts";
import { Http1Exchange, headOf } from "./http1.ts";
import { Http2Exchange } from "./http2.ts";

type Request = Parameters<RequestHandler>[0];
type Response = Parameters<RequestHandler>[1];

/** Unary calls of Connect. */
export interface ConnectUnary {
  /** Accepts those over HTTP/2. */
  readonly accept: Accept;
  /** Serves a request over HTTP/1.1 if it is such a call. Returns whether it does. */
  serve(request: Request, response: Response): boolean;
}

/**
 * Serves the unary calls of Connect whose messages are protobuf or JSON in a POST. Compressed requests, and GET, are not
 * accepted here. Answers are not compressed.
 */
export function createConnectUnary(
  routes: ReadonlyMap<string, Route>,
  deps: CallDeps,
  registry: Registry | undefined,
): ConnectUnary {
  const formatOf = createFormats(registry);
  const planOf = (head: RequestHead): readonly [CallPlan, Format] | undefined => {
    const { path, fields, contentType, authority, scheme } = head;
    const route = routes.get(path);
    const format = formatOf(contentType);
    if (route?.unary === undefined || format === undefined) return undefined;
    const coding = onlyValue(fields, "content-encoding");
    const timeout = onlyValue(fields, "connect-timeout-ms");
    if ((coding !== "" && coding !== "identity") || timeout === undefined) return undefined;
    const read = readTimeout(timeout);
    const refusal = read instanceof ConnectError ? read : undefined;
    const timeoutMs = typeof read === "number" ? read : undefined;
    const origin = { method: route.method, protocolName: "connect", path, authority, scheme, fields, timeoutMs };
    return [{ route, origin, refusal }, format];
  };
  return {
    accept(head) {
      const planned = planOf(head);
      if (planned === undefined) return undefined;
      const [plan, format] = planned;
      return (stream) => {
        const call = new ConnectCall(new Http2Exchange(stream), plan, format, deps, head.contentLength);
        call.begin();
        return call;
      };
    },
    serve(request, response) {
      const head = headOf(request);
      const planned = head && planOf(head);
      if (head === undefined || planned === undefined) return false;
      const [plan, format] = planned;
      const exchange = new Http1Exchange(request, response, deps.clock);
      const call = new ConnectCall(exchange, plan, format, deps, head.contentLength);
      exchange.feed(call);
      call.begin();
      return true;
    },
  };
}
