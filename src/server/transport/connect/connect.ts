import type { Registry } from "@bufbuild/protobuf";
import { type Dialect, planOf } from "../../calls/plan.ts";
import type { CallDeps, CallPlan, Route } from "../../calls/route.ts";
import type { RequestHead } from "../direct/head.ts";
import type { Accept } from "../direct/stream.ts";
import type { RequestHandler } from "../request-handler.ts";
import { ConnectCall } from "./call.ts";
import { readTimeout } from "./deadline.ts";
import { createFormats, type Format } from "./format.ts";
import { Http1Exchange, headOf } from "./http1.ts";
import { Http2Exchange } from "./http2.ts";

type Request = Parameters<RequestHandler>[0];
type Response = Parameters<RequestHandler>[1];

const CONNECT: Dialect = {
  protocolName: "connect",
  coding: "content-encoding",
  timeout: "connect-timeout-ms",
  readTimeout,
};

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
  const planned = (head: RequestHead): readonly [CallPlan, Format] | undefined => {
    const route = routes.get(head.path);
    const format = formatOf(head.contentType);
    if (route?.unary === undefined || format === undefined) return undefined;
    const plan = planOf(head, route, CONNECT);
    return plan && [plan, format];
  };
  return {
    accept(head) {
      const found = planned(head);
      if (found === undefined) return undefined;
      const [plan, format] = found;
      return (stream) => {
        const call = new ConnectCall(new Http2Exchange(stream), plan, format, deps, head.contentLength);
        call.begin();
        return call;
      };
    },
    serve(request, response) {
      // Only the head of a request for such a method is read here. Its path is enough to tell.
      if (routes.get(request.url ?? "")?.unary === undefined) return false;
      const head = headOf(request);
      const found = head && planned(head);
      if (head === undefined || found === undefined) return false;
      const [plan, format] = found;
      const exchange = new Http1Exchange(request, response, deps.clock);
      const call = new ConnectCall(exchange, plan, format, deps, head.contentLength);
      exchange.feed(call);
      call.begin();
      return true;
    },
  };
}
