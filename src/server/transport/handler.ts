import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  type connectNodeAdapter,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { messageOf } from "../../core/index.ts";
import type { ReportUnforeseen } from "../errors.ts";
import { PEER, peerOf } from "./peer.ts";
import { explainRefusals } from "./refusals.ts";

/** The largest message that is read or written. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** How long the rest of a request that was refused is read. */
const MAX_REFUSED_REQUEST_MS = 5000;

/** Takes the requests of both HTTP versions. */
export type RequestHandler = ReturnType<typeof connectNodeAdapter>;

/** Answers a plain GET: a status and a JSON body. */
export type PlainRoute = () => { readonly status: number; readonly body: unknown };

export interface HandlerOptions {
  readonly routes: (router: ConnectRouter) => void;
  readonly interceptors: readonly Interceptor[];
  /** By path. */
  readonly plainRoutes: Readonly<Record<string, PlainRoute>>;
  /** For errors that nobody foresaw, and who is told of them. */
  readonly newId: () => string;
  readonly report: ReportUnforeseen;
  /** Aborted with a ConnectError when calls that still run must end. */
  readonly shutdownSignal: AbortSignal;
}

/** Serves gRPC, gRPC-Web and Connect, and a few plain GETs. */
export function createHandler(options: HandlerOptions): RequestHandler {
  const { routes, interceptors, plainRoutes, shutdownSignal } = options;
  const router = createConnectRouter({
    interceptors: [...interceptors],
    shutdownSignal,
    acceptCompression: [compressionGzip, compressionBrotli],
    readMaxBytes: MAX_MESSAGE_BYTES,
    writeMaxBytes: MAX_MESSAGE_BYTES,
    jsonOptions: { ignoreUnknownFields: false },
  });
  routes(router);
  const rpcs = new Map(
    router.handlers.map((handler) => [handler.requestPath, explainRefusals(handler, options.newId, options.report)]),
  );

  return (request, response) => {
    tellWhenClientLeaves(response);
    readToTheEnd(request, response);
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const rpc = rpcs.get(path);
    if (rpc === undefined) {
      const route = plainRoutes[path];
      const readable = request.method === "GET" || request.method === "HEAD";
      const { status, body } = route && readable ? route() : notFound(request.method, request.url);
      answer(response, status, request.method === "HEAD" ? undefined : body);
      return;
    }
    try {
      const values = createContextValues().set(PEER, peerOf(request.socket));
      rpc(universalRequestFromNodeRequest(request, response, undefined, values))
        .then((answered) => universalResponseToNodeResponse(answered, response))
        // Only writing can fail here: the client has gone, and what the call came to is in the log of calls.
        .catch(() => response.destroy());
    } catch (error) {
      // A request without a host, or with one that is none, has no URL.
      answer(response, 400, { code: "invalid_argument", message: messageOf(error) });
    }
  };
}

function answer(response: Parameters<RequestHandler>[1], status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body === undefined ? "" : `${JSON.stringify(body)}\n`);
}

/**
 * Where a client leaves while its response waits to be written, nothing tells the generator behind it (its `finally`
 * would never run): an error on the response does. Connect takes Code.Aborted for what it is and does not log it.
 */
function tellWhenClientLeaves(response: Parameters<RequestHandler>[1]): void {
  let finished = false;
  response.once("finish", () => {
    finished = true;
  });
  response.on("error", () => {});
  response.once("close", () => {
    if (!finished) response.emit("error", new ConnectError("the client went away", Code.Aborted));
  });
}

/**
 * Connect stops reading a request that it refuses, and so resets the stream: the client, still writing, would see that
 * instead of the refusal. So the rest is read and thrown away, for a while.
 */
function readToTheEnd(request: Parameters<RequestHandler>[0], response: Parameters<RequestHandler>[1]): void {
  request[Symbol.asyncIterator] = () => request.iterator({ destroyOnReturn: false }) as never;
  response.once("finish", () => {
    if (request.readableEnded || request.destroyed) return;
    const enough = setTimeout(() => request.destroy(), MAX_REFUSED_REQUEST_MS);
    enough.unref();
    request.once("close", () => clearTimeout(enough));
    request.resume();
  });
}

function notFound(method = "", url = ""): { status: number; body: unknown } {
  const message = `${method} ${url.slice(0, 200)} is not served here; see the services of helios.v1`;
  return { status: 404, body: { code: "unimplemented", message } };
}
