import type { DescService, Registry } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createConnectRouter,
  createContextValues,
  type Interceptor,
  type ServiceImpl,
  type Transport,
} from "@connectrpc/connect";
import {
  createUniversalHandlerClient,
  type UniversalHandler,
  type UniversalServerRequest,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { type Clock, HeliosError, messageOf } from "../../core/index.ts";
import { type CallDeps, mayHaveBytes, type Route } from "../calls/route.ts";
import type { Streaming, Unary } from "../calls/runner.ts";
import { createShutdown } from "../calls/served-stream.ts";
import type { ReportUnforeseen } from "../errors.ts";
import { createPresence } from "../interceptors/presence.ts";
import { createSaturation } from "../interceptors/saturation.ts";
import { foreignHost, givenHosts, type Hosts, splitTarget } from "../rest/host.ts";
import { type HttpRequest, header } from "../rest/http.ts";
import { type AllowedOrigins, corsHeaders, isForeign, preflightHeaders } from "../rest/origin.ts";
import { REST_PREFIX, type Rest, type TransportFor } from "../rest/rest.ts";
import { createConnectUnary } from "../transport/connect/connect.ts";
import type { Accept } from "../transport/direct/stream.ts";
import { createGrpc } from "../transport/grpc/grpc.ts";
import { headersRefusal, refuseBody } from "../transport/headers.ts";
import { MAX_MESSAGE_BYTES, MAX_OPEN_CALLS, REQUEST_BODY_TIMEOUT_MS } from "../transport/limits.ts";
import { IS_REST, PEER, peerOf, socketOf } from "../transport/peer.ts";
import type { RequestHandler } from "../transport/request-handler.ts";
import { discardRest } from "../transport/rest-of-request.ts";
import { createBodies } from "./bodies.ts";
import { createCallLimit } from "./call-limit.ts";
import { deadlineOf, keepLongDeadlines } from "./deadline.ts";
import { createPacing } from "./pacing.ts";
import { Patience } from "./patience.ts";
import { type PlainRoute, refuse, servePlain } from "./plain.ts";
import { explainRefusals } from "./refusals.ts";
import { createSlowReaders, type ReportSlowReader, type SlowReaders } from "./slow-readers.ts";
import { checkQuery, strictJson } from "./strict-json.ts";
import { strictMessages } from "./strict-messages.ts";
import { Turns } from "./turns.ts";

/** A service, and what runs its methods, by their local names. Absent methods are UNIMPLEMENTED. */
export interface Served {
  readonly service: DescService;
  readonly impl: object;
}

export interface HandlerOptions {
  readonly clock: Clock;
  readonly services: readonly Served[];
  /** Serves the paths below `REST_PREFIX` by calling the services through the given transports. */
  readonly rest: (transportFor: TransportFor) => Rest;
  /** Origins whose web pages a browser may let in. */
  readonly allowedOrigins: AllowedOrigins;
  /** Host names by which a browser may reach the service. */
  readonly hosts: Hosts;
  /** Plain routes by path. */
  readonly plainRoutes: Readonly<Record<string, PlainRoute>>;
  /** Creates ids for unforeseen errors. `report` logs the errors. */
  readonly newId: () => string;
  readonly report: ReportUnforeseen;
  /** Number of calls in progress on all connections. Default: 20,000. */
  readonly maxOpenCalls?: number | undefined;
  /** Bytes that all unread answers may hold. Default: 256 MiB. */
  readonly maxUnreadBytes?: number | undefined;
  /** Bytes of a message that is read; a larger one is refused. Default: 4 MiB. */
  readonly maxRequestBytes?: number | undefined;
  /** The types that JSON may have in a `google.protobuf.Any`. Default: none. */
  readonly registry?: Registry | undefined;
  /** Called for each answer that is ended because nobody reads it. */
  readonly reportSlowReader?: ReportSlowReader;
  /** Aborted with a ConnectError when calls in progress must end. */
  readonly shutdownSignal: AbortSignal;
  /** Whether all calls go through Connect, for tests that compare. Default: false. */
  readonly onlyConnect?: boolean | undefined;
}

/** What a port needs to answer requests. */
export interface Handler {
  readonly handle: RequestHandler;
  /** Accepts the requests over HTTP/2 that need no Node request. */
  readonly accept: Accept | undefined;
  /** Watches answers that are not among the requests that `handle` got. */
  readonly track: SlowReaders["track"];
  /** What the requests of all clients hold now. */
  usage(): RequestUsage;
}

export interface RequestUsage {
  /** Calls in progress. */
  readonly calls: number;
  readonly bodyBytes: number;
  /** Answers whose clients are watched, because they may be slow to read. */
  readonly answers: number;
}

/** Serves gRPC, gRPC-Web, Connect, REST, and some plain GET routes. */
export function createHandler(options: HandlerOptions): Handler {
  const { clock, services, plainRoutes, shutdownSignal, allowedOrigins, newId, report, registry } = options;
  const readMaxBytes = options.maxRequestBytes ?? MAX_MESSAGE_BYTES;
  const slowReaders = createSlowReaders(clock, options.reportSlowReader ?? (() => {}), options.maxUnreadBytes);
  const pacing = createPacing(clock, slowReaders.room);
  const router = createConnectRouter({
    interceptors: [pacing.interceptor, refuseAborted, createPresence(), createSaturation()],
    shutdownSignal,
    acceptCompression: [compressionGzip, compressionBrotli],
    readMaxBytes,
    writeMaxBytes: MAX_MESSAGE_BYTES,
    requestGate: checkQuery,
    // Values that are false, 0 or empty are part of an answer too.
    jsonOptions: {
      ignoreUnknownFields: false,
      alwaysEmitImplicit: true,
      ...(registry === undefined ? {} : { registry }),
    },
  });
  for (const { service, impl } of services) router.service(service, impl as Partial<ServiceImpl<DescService>>);
  /** The requests of calls through Connect, by the signals of the calls. */
  const requests = new WeakMap<AbortSignal, HttpRequest>();
  const isGone = (call: AbortSignal): boolean => hasLeft(requests.get(call));
  const rpcs = new Map(
    router.handlers.map((handler) => {
      const checked = strictMessages(keepLongDeadlines(handler, clock));
      const strict = strictJson(checked, handler.method, readMaxBytes);
      const explained = explainRefusals(strict, newId, report, isGone);
      return [handler.requestPath, Object.assign(explained, handler)] as const;
    }),
  );
  const valuesOf = (request: HttpRequest): ContextValues =>
    createContextValues().set(PEER, peerOf(socketOf(request) ?? {}));
  const rest = options.rest((request) => inMemory(rpcs, valuesOf(request).set(IS_REST, true)));

  const bodies = createBodies(clock);
  const callLimit = createCallLimit(options.maxOpenCalls ?? MAX_OPEN_CALLS);

  const routes = routesOf(services);
  const deps: CallDeps = {
    clock,
    newId,
    report,
    callLimit,
    bodies,
    slowReaders,
    pacing,
    patience: new Patience(clock, REQUEST_BODY_TIMEOUT_MS),
    turns: new Turns(),
    shutdown: createShutdown(shutdownSignal),
    maxRequestBytes: readMaxBytes,
  };
  const grpc = createGrpc(routes, deps);
  const connect = createConnectUnary(routes, deps, registry);
  const isDirect = options.onlyConnect !== true;
  const handle: RequestHandler = (request, response) => {
    if (isDirect && connect.serve(request, response)) return;
    const { path: target } = splitTarget(request.url ?? "");
    const path = target.split("?", 1)[0] ?? "";
    const rpc = rpcs.get(path);
    failWhenClientLeaves(response);
    readToTheEnd(request, response, clock);
    slowReaders.add(request, response);
    const timeoutMs = rpc === undefined ? Number.NaN : deadlineOf((name) => header(request, name)).ms;
    bodies.bound(request, response, !staysOpen(rpc), timeoutMs);
    const tooMany = callLimit.add(request, response);
    const tooLarge = headersRefusal(request);
    const refused = hostRefusal(request, options.hosts);
    if (refused !== undefined) {
      refuse(response, refused);
      return;
    }
    request.url = target;
    const expected = header(request, "expect");
    if (expected !== "" && !/^100-continue$/i.test(expected)) {
      const problem = "must be 100-continue";
      refuse(response, HeliosError.of("HTTP_HEADER_INVALID", { header: "expect", problem }));
      return;
    }
    if (request.method === "OPTIONS") {
      response.writeHead(204, preflightHeaders(request, allowedOrigins));
      response.end();
      return;
    }
    const cors = corsHeaders(request, allowedOrigins);
    for (const [name, value] of Object.entries(cors)) response.setHeader(name, value);
    if (isForeign(request, allowedOrigins)) {
      const origin = header(request, "origin") || "another site";
      refuse(response, HeliosError.of("HTTP_ORIGIN_REFUSED", { origin }));
      return;
    }
    // Plain routes are exempt from the limit, because probes use them.
    const excess = tooLarge ?? (Object.hasOwn(plainRoutes, path) ? undefined : tooMany);
    if (excess !== undefined) {
      // The refusal depends on the protocol, which the RPC handler knows.
      if (request.method === "POST" && rpc !== undefined) refuseBody(request, excess);
      else return refuse(response, excess);
    }
    if (path.startsWith(REST_PREFIX)) {
      void rest.handle(request, response);
      return;
    }
    if (rpc === undefined) {
      servePlain(request, response, path, plainRoutes);
      return;
    }
    try {
      const asked = universalRequestFromNodeRequest(request, response, undefined, valuesOf(request));
      requests.set(asked.signal, request);
      rpc(asked)
        .then((answered) => {
          const isOne = rpc.method.methodKind === "unary";
          return universalResponseToNodeResponse(isOne ? readAhead(answered) : answered, response);
        })
        // Only writing can fail here: the client has left. The result is in the log of calls.
        .catch(() => response.destroy());
    } catch (error) {
      // A request without a valid host has no URL.
      refuse(response, HeliosError.of("REQUEST_MALFORMED", { problem: messageOf(error) }));
    }
  };
  return {
    handle,
    track: slowReaders.track,
    usage: () => ({ calls: callLimit.calls, bodyBytes: bodies.bytes, answers: slowReaders.answers }),
    accept: isDirect ? (head) => grpc(head) ?? connect.accept(head) : undefined,
  };
}

/** Returns the methods with a single request, by their paths. */
function routesOf(services: readonly Served[]): ReadonlyMap<string, Route> {
  const routes = new Map<string, Route>();
  for (const { service, impl } of services) {
    const runs = impl as Readonly<Record<string, unknown>>;
    for (const method of service.methods) {
      const path = `/${service.typeName}/${method.name}`;
      const run = runs[method.localName];
      if (run === undefined) continue;
      const common = { method, hasBytes: mayHaveBytes(method.input) };
      if (method.methodKind === "unary") routes.set(path, { ...common, unary: run as Unary });
      if (method.methodKind === "server_streaming") routes.set(path, { ...common, streaming: run as Streaming });
    }
  }
  return routes;
}

function hasLeft(request: HttpRequest | undefined): boolean {
  if (request === undefined) return false;
  return "stream" in request ? request.stream.closed : request.destroyed && !request.complete;
}

/** The deadline has passed, or the caller has left. Nothing needs to be done. */
const refuseAborted: Interceptor = (next) => (request) => {
  request.signal.throwIfAborted();
  return next(request);
};

/**
 * Reads to the end of an answer while its only message is being written. Otherwise, its producer keeps a copy until then.
 */
function readAhead(response: UniversalServerResponse): UniversalServerResponse {
  const chunks = (response.body as AsyncIterable<Uint8Array<ArrayBuffer>> | undefined)?.[Symbol.asyncIterator]();
  if (chunks === undefined) return response;
  async function* ahead(of: AsyncIterator<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (let next = of.next(); ; ) {
      const { done, value } = await next;
      if (done === true) return;
      next = of.next();
      next.catch(() => {});
      yield value;
    }
  }
  return { ...response, body: ahead(chunks) };
}

/** Whether the caller may send messages without a time limit. */
function staysOpen(rpc: UniversalHandler | undefined): boolean {
  return rpc?.method.methodKind === "bidi_streaming" || rpc?.method.methodKind === "client_streaming";
}

function hostRefusal(request: HttpRequest, hosts: Hosts): HeliosError | undefined {
  const host = foreignHost(request, hosts);
  if (host !== undefined) return HeliosError.of("HOST_NOT_ALLOWED", { host: host.slice(0, 256) });
  if (request.httpVersionMajor > 1) return undefined;
  const given = givenHosts(request).length;
  if (given === 0 && request.httpVersion !== "1.0")
    return HeliosError.of("REQUEST_MALFORMED", { problem: "it has no Host header, which HTTP/1.1 requires" });
  // RFC 9112, 3.2: a proxy may have used the other Host header.
  if (given < 2 || splitTarget(request.url ?? "").authority) return undefined;
  return HeliosError.of("REQUEST_MALFORMED", { problem: "it has more than one Host header" });
}

/** Calls services without a network. */
function inMemory(rpcs: ReadonlyMap<string, UniversalHandler>, contextValues: ContextValues): Transport {
  return createTransport({
    httpClient(request) {
      const rpc = rpcs.get(new URL(request.url).pathname);
      if (rpc === undefined) throw new ConnectError("the service is not served", Code.Unimplemented);
      const called = Object.assign((one: UniversalServerRequest) => rpc({ ...one, contextValues }), rpc);
      return createUniversalHandlerClient([called])(request);
    },
    baseUrl: "https://in-memory",
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    readMaxBytes: MAX_MESSAGE_BYTES,
    writeMaxBytes: MAX_MESSAGE_BYTES,
  });
}

/**
 * When a client leaves while its response waits to be written, the generator behind the response does not notice (its
 * `finally` would never run). An error on the response ends it. Connect does not log an error with Code.Aborted.
 */
function failWhenClientLeaves(response: Parameters<RequestHandler>[1]): void {
  let finished = false;
  response.once("finish", () => {
    finished = true;
  });
  response.on("error", () => {});
  response.once("close", () => {
    if (!finished) response.emit("error", new ConnectError("the client went away", Code.Aborted));
  });
}

/** Connect stops reading a request that it refuses. The rest is read when the answer is complete. */
function readToTheEnd(
  request: Parameters<RequestHandler>[0],
  response: Parameters<RequestHandler>[1],
  clock: Clock,
): void {
  // Over HTTP/2, the response itself only finishes when its stream closes, which needs the end of the request.
  const answer = "stream" in response ? response.stream : response;
  answer.once("finish", () => discardRest(request, clock));
}
