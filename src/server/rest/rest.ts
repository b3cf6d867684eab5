import {
  createRegistry,
  type DescMessage,
  type DescMethod,
  type DescService,
  type JsonValue,
  type Message,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { type Clock, HeliosError } from "../../core/index.ts";
import { type ReportUnforeseen, toConnectError } from "../errors.ts";
import { withReason } from "../http/refusals.ts";
import { toAnswer } from "./answer.ts";
import { type Failure, toFailure } from "./failure.ts";
import { type HttpRequest, type HttpResponse, header, readText, writeJson } from "./http.ts";
import { etagHeader, etagsOf, headerInvalid } from "./precondition.ts";
import { invalid } from "./problem.ts";
import { readRequest } from "./request.ts";
import { createRoutes, type Match, type Route, type Routes } from "./routes.ts";
import { EVENTS, endAsHead, NDJSON, writeStream } from "./stream.ts";

/** Returns the transport to the services, for a request. */
export type TransportFor = (request: HttpRequest) => Transport;

export interface RestOptions {
  readonly services: readonly DescService[];
  readonly transportFor: TransportFor;
  readonly maxBodyBytes: number;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly report: ReportUnforeseen;
}

/** Serves every RPC that has a google.api.http option over plain HTTP and JSON. It only needs the descriptors. */
export interface Rest {
  readonly routes: Routes;
  /** Answers a request. Never rejects. */
  handle(request: HttpRequest, response: HttpResponse): Promise<void>;
}

/** Prefix of all paths. */
export const REST_PREFIX = "/api/";

export function createRest({ services, transportFor, maxBodyBytes, clock, newId, report }: RestOptions): Rest {
  const routes = createRoutes(services);
  const registry = createRegistry(...services);

  const find = (verb: string, path: string): Match => {
    const found = routes.find(verb, path);
    if (found.kind === "match") return found.match;
    if (found.kind === "none") throw HeliosError.of("HTTP_PATH_UNKNOWN", { path });
    throw HeliosError.of("HTTP_METHOD_NOT_ALLOWED", { method: verb, path, allowed: found.verbs.join(", ") });
  };

  const readCall = async (request: HttpRequest): Promise<Call> => {
    const [path = "", query = ""] = (request.url ?? "").split(/\?(.*)/s);
    const match = find(request.method === "HEAD" ? "GET" : (request.method ?? ""), path);
    const { route } = match;
    checkTimeout(request);
    const etags = etagsOf(request, route.rpc);
    const coding = header(request, "content-encoding");
    if (coding !== "" && coding !== "identity") {
      throw HeliosError.of("HTTP_MEDIA_TYPE_UNSUPPORTED", { header: "content-encoding", value: coding.slice(0, 60) });
    }
    const body = await readText(request, maxBodyBytes);
    if (body === undefined) throw HeliosError.of("HTTP_BODY_TOO_LARGE", { limit: maxBodyBytes });
    const received = { query: withLastEventId(route.rpc, parseQuery(query), request), body };
    const messages = (etags ?? [undefined]).map((etag) => readRequest(match, { ...received, etag }, registry));
    return { route, messages };
  };

  const serve = async (request: HttpRequest, response: HttpResponse, signal: AbortSignal): Promise<void> => {
    const { route, messages } = await readCall(request);
    const { rpc } = route;
    const [transport, headers] = [transportFor(request), headersOf(request)];
    const toJson = (answer: Message): JsonValue => toAnswer(rpc.output, answer, registry);
    if (rpc.methodKind === "unary") {
      const answer = await firstThatMatches(messages, (message) =>
        transport.unary(asUnary(rpc), signal, undefined, headers, message),
      );
      const json = toJson(answer.message);
      return writeJson(response, 200, json, etagHeader(route.verb, json));
    }
    const [message] = messages;
    if (message === undefined || messages.length > 1)
      throw headerInvalid("if-match", "names more than one etag for a stream");
    const form = header(request, "accept").includes("text/event-stream") ? EVENTS : NDJSON;
    // The content of a stream is only available to GET.
    if (request.method === "HEAD") return endAsHead(response, form);
    const answer = await transport.stream(asStream(rpc), signal, undefined, headers, once(message));
    await writeStream(response, form, mapped(answer.message, toJson), (error) => failureOf(error, signal), clock);
  };

  const failureOf = (error: unknown, signal: AbortSignal, isConditional = false): Failure => {
    if (error instanceof URIError)
      return failureOf(HeliosError.of("HTTP_PATH_UNKNOWN", { path: "(badly encoded)" }), signal);
    return toFailure(withReason(toConnectError(error, signal, newId, report), newId, report), isConditional);
  };

  return {
    routes,
    async handle(request, response) {
      const gone = new AbortController();
      response.once("close", () => gone.abort(new ConnectError("the client went away", Code.Canceled)));
      try {
        await serve(request, response, gone.signal);
      } catch (error) {
        const isConditional = request.headers["if-match"] !== undefined;
        const { status, headers, body } = failureOf(error, gone.signal, isConditional);
        if (response.headersSent || response.destroyed) response.destroy();
        else writeJson(response, status, body, headers);
      }
    },
  };
}

type UnaryMethod = Parameters<Transport["unary"]>[0];
type StreamMethod = Parameters<Transport["stream"]>[0];
const asUnary = (rpc: DescMethod): UnaryMethod => rpc as UnaryMethod;
const asStream = (rpc: DescMethod): StreamMethod => rpc as StreamMethod;

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value;
}

async function* mapped<T, U>(values: AsyncIterable<T>, map: (value: T) => U): AsyncGenerator<U> {
  for await (const value of values) yield map(value);
}

/** A call with its message. If-Match with several etags makes one message for each. */
interface Call {
  readonly route: Route;
  readonly messages: readonly Message[];
}

/** At most one of the messages has an effect, because those with another etag are refused. */
async function firstThatMatches<T>(messages: readonly Message[], ask: (message: Message) => Promise<T>): Promise<T> {
  const [message, ...others] = messages;
  if (message === undefined) throw new Error("the call has no message");
  try {
    return await ask(message);
  } catch (error) {
    const [info] = ConnectError.from(error).findDetails(ErrorInfoSchema);
    const isOther = info?.reason === "ETAG_MISMATCH" || info?.reason === "REQUEST_ID_REUSED";
    if (others.length === 0 || !isOther) throw error;
    return firstThatMatches(others, ask);
  }
}

/** Throws ARGUMENT_INVALID if the query is badly encoded. The platform would replace invalid bytes by other characters. */
function parseQuery(query: string): URLSearchParams {
  for (const part of query.split("&")) {
    try {
      decodeURIComponent(part);
    } catch {
      throw invalid(part.split("=", 1)[0]?.slice(0, 60) ?? "", "is badly encoded in the query; write % as %25");
    }
  }
  return new URLSearchParams(query);
}

/** A browser that reconnects sends the id of the last event that it received. */
function withLastEventId({ input }: DescMethod, query: URLSearchParams, request: HttpRequest): URLSearchParams {
  const id = header(request, "last-event-id");
  if (id !== "" && hasResumeToken(input) && !query.has("resume_token")) query.set("resume_token", id);
  return query;
}

function hasResumeToken({ fields }: DescMessage): boolean {
  return fields.some(({ name }) => name === "resume_token");
}

/** Checks Connect's timeout header, which is passed on to the service. Without it, the call has no deadline. */
function checkTimeout(request: HttpRequest): void {
  const text = header(request, "connect-timeout-ms");
  if (request.headers["connect-timeout-ms"] === undefined || /^\d{1,10}$/.test(text)) return;
  throw headerInvalid(
    "connect-timeout-ms",
    `must be a whole number of milliseconds with at most 10 digits, not ${text.slice(0, 60)}`,
  );
}

/** Returns the headers that concern the call, including its deadline, but not its transport. */
function headersOf(request: HttpRequest): Headers {
  const headers = new Headers();
  for (const name of ["connect-timeout-ms", "user-agent", "x-request-id", "traceparent", "tracestate"]) {
    const value = header(request, name);
    if (value !== "") headers.set(name, value);
  }
  return headers;
}
