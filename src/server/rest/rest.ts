import {
  createRegistry,
  type DescMessage,
  type DescMethod,
  type DescService,
  type JsonValue,
  type Message,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { HeliosError } from "../../core/index.ts";
import { type ReportUnforeseen, toConnectError } from "../errors.ts";
import { toAnswer } from "./answer.ts";
import { type Failure, toFailure } from "./failure.ts";
import { type HttpRequest, type HttpResponse, header, readText, writeJson } from "./http.ts";
import { readRequest } from "./request.ts";
import { createRoutes, type Match, type Routes } from "./routes.ts";
import { EVENTS, NDJSON, writeStream } from "./stream.ts";

/** The way to the services, through their interceptors, for what a request asks for. */
export type TransportFor = (request: HttpRequest) => Transport;

export interface RestOptions {
  readonly services: readonly DescService[];
  readonly transportFor: TransportFor;
  readonly maxBodyBytes: number;
  readonly newId: () => string;
  readonly report: ReportUnforeseen;
}

/** Serves every RPC that has a google.api.http option by plain HTTP and JSON, by its descriptor alone. */
export interface Rest {
  readonly routes: Routes;
  /** Answers a request. Never rejects. */
  handle(request: HttpRequest, response: HttpResponse): Promise<void>;
}

/** What all paths begin with. */
export const REST_PREFIX = "/api/";

export function createRest({ services, transportFor, maxBodyBytes, newId, report }: RestOptions): Rest {
  const routes = createRoutes(services);
  const registry = createRegistry(...services);

  const find = (verb: string, path: string): Match => {
    const found = routes.find(verb, path);
    if (found.kind === "match") return found.match;
    if (found.kind === "none") throw HeliosError.of("HTTP_PATH_UNKNOWN", { path });
    throw HeliosError.of("HTTP_METHOD_NOT_ALLOWED", { method: verb, path, allowed: found.verbs.join(", ") });
  };

  const readCall = async (request: HttpRequest): Promise<{ readonly rpc: DescMethod; readonly message: Message }> => {
    const [path = "", query = ""] = (request.url ?? "").split(/\?(.*)/s);
    const match = find(request.method === "HEAD" ? "GET" : (request.method ?? ""), path);
    const body = await readText(request, maxBodyBytes);
    if (body === undefined) throw HeliosError.of("HTTP_BODY_TOO_LARGE", { limit: maxBodyBytes });
    const { rpc } = match.route;
    const received = { query: withLastEventId(rpc, new URLSearchParams(query), request), body };
    return { rpc, message: readRequest(match, received, registry) };
  };

  const serve = async (request: HttpRequest, response: HttpResponse, signal: AbortSignal): Promise<void> => {
    const { rpc, message } = await readCall(request);
    const headers = headersOf(request);
    const tell = (answer: Message): JsonValue => toAnswer(rpc.output, answer, registry);
    if (rpc.methodKind === "unary") {
      const answer = await transportFor(request).unary(asUnary(rpc), signal, undefined, headers, message);
      return writeJson(response, 200, tell(answer.message));
    }
    const answer = await transportFor(request).stream(asStream(rpc), signal, undefined, headers, once(message));
    const form = header(request, "accept").includes("text/event-stream") ? EVENTS : NDJSON;
    await writeStream(response, form, mapped(answer.message, tell), (error) => failureOf(error, signal));
  };

  const failureOf = (error: unknown, signal: AbortSignal): Failure => {
    if (error instanceof URIError)
      return failureOf(HeliosError.of("HTTP_PATH_UNKNOWN", { path: "(badly encoded)" }), signal);
    return toFailure(toConnectError(error, signal, newId, report));
  };

  return {
    routes,
    async handle(request, response) {
      const gone = new AbortController();
      response.once("close", () => gone.abort(new ConnectError("the client went away", Code.Canceled)));
      try {
        await serve(request, response, gone.signal);
      } catch (error) {
        const { status, headers, body } = failureOf(error, gone.signal);
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

/** A browser that reconnects says so where it stopped. */
function withLastEventId({ input }: DescMethod, query: URLSearchParams, request: HttpRequest): URLSearchParams {
  const id = header(request, "last-event-id");
  if (id !== "" && hasResumeToken(input) && !query.has("resume_token")) query.set("resume_token", id);
  return query;
}

function hasResumeToken({ fields }: DescMessage): boolean {
  return fields.some(({ name }) => name === "resume_token");
}

/** Those that mean something to a call, its deadline too, and nothing to the way that it comes. */
function headersOf(request: HttpRequest): Headers {
  const headers = new Headers();
  for (const name of ["connect-timeout-ms", "user-agent", "x-request-id", "traceparent", "tracestate"]) {
    const value = header(request, name);
    if (value !== "") headers.set(name, value);
  }
  return headers;
}
