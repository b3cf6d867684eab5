import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString, errorToJson } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { HeliosError } from "../../core/index.ts";
import { fromHeliosError } from "../errors.ts";
import { toFailure } from "../rest/failure.ts";
import { type HttpRequest, type HttpResponse, header, writeJson } from "../rest/http.ts";

/** The answer to a plain GET. */
export type PlainAnswer = { readonly status: number } & (
  | { readonly body: unknown }
  | {
      readonly contentType: string;
      readonly content: string | Uint8Array;
      readonly headers?: Readonly<Record<string, string>>;
    }
);

export type PlainRoute = (request: HttpRequest) => PlainAnswer | Promise<PlainAnswer>;

/** Answers a request by its route. Without a route, answers with an error. */
export function servePlain(
  request: HttpRequest,
  response: HttpResponse,
  path: string,
  routes: Readonly<Record<string, PlainRoute>>,
): void {
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  const { method = "" } = request;
  if (route === undefined) refuseUnknown(request, response, path.slice(0, 200));
  else if (method !== "GET" && method !== "HEAD") {
    refuse(response, HeliosError.of("HTTP_METHOD_NOT_ALLOWED", { method, path, allowed: "GET, HEAD" }));
  } else {
    Promise.try(route, request).then(
      (answered) => answer(response, answered, method === "HEAD"),
      () => response.destroy(),
    );
  }
}

export function answer(response: HttpResponse, answered: PlainAnswer, withoutBody = false): void {
  const { contentType, content, headers } =
    "body" in answered
      ? { contentType: "application/json", content: `${JSON.stringify(answered.body)}\n`, headers: {} }
      : answered;
  response.writeHead(answered.status, { "content-type": contentType, ...headers });
  response.end(withoutBody ? "" : content);
}

/** Answers with an error in the format of REST. */
export function refuse(response: HttpResponse, error: HeliosError): void {
  const { status, headers, body } = toFailure(fromHeliosError(error));
  writeJson(response, status, body, headers);
}

/** Answers a call of an unknown RPC in the format of its protocol, and other requests in the format of REST. */
function refuseUnknown(request: HttpRequest, response: HttpResponse, path: string): void {
  const unknown = fromHeliosError(HeliosError.of("HTTP_PATH_UNKNOWN", { path }));
  const { status, body } = toFailure(unknown);
  const error = new ConnectError(unknown.rawMessage, Code.Unimplemented);
  error.details.push(...unknown.details);
  if (refuseByGrpc(request, response, error)) return;
  const { message, details } = errorToJson(error, undefined) as { message: string; details: unknown };
  writeJson(response, status, { code: codeToString(error.code), message, details, ...body });
}

/** Answers a request of gRPC or gRPC-Web with trailers only. Returns false for other requests. */
function refuseByGrpc(request: HttpRequest, response: HttpResponse, error: ConnectError): boolean {
  const type = header(request, "content-type");
  if (!/^application\/grpc(-web)?(-text)?(\+[\w.-]+)?$/.test(type)) return false;
  const headers = new Headers({ "content-type": type });
  setTrailerStatus(headers, error);
  response.writeHead(200, Object.fromEntries(headers));
  response.end();
  return true;
}
