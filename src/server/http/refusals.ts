import { STATUS_CODES } from "node:http";
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, encodeBinaryHeader } from "@connectrpc/connect";
import type { UniversalHandlerFn, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { type ErrorInfo, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { HeliosError } from "../../core/index.ts";
import { fitText, fromHeliosError, infoOf, type ReportUnforeseen } from "../errors.ts";
import { toFailure } from "../rest/failure.ts";

const GRPC_STATUS = "grpc-status";
const GRPC_MESSAGE = "grpc-message";
const GRPC_DETAILS = "grpc-status-details-bin";
const CONNECT_END = 0b10;
const GRPC_WEB_END = 0x80;
const HEADER_BYTES = 5;

/** Explains an error that was created below the services. */
type Explain = (
  code: Code,
  message: string,
) => { readonly code: Code; readonly message: string; readonly info: ErrorInfo };

/**
 * Adds ErrorInfo to errors that Connect creates by itself: messages that cannot be decoded, are too large or come too late.
 * A request that cannot be read is INVALID_ARGUMENT in every protocol, unless the protocols require another code. Compressed
 * answers are not changed, because such errors are too short to be compressed.
 *
 * `isGone`: whether the client of the call with that signal has left. The signal itself is aborted only after the reading of the
 * request has failed.
 */
export function explainRefusals(
  handler: UniversalHandlerFn,
  newId: () => string,
  report: ReportUnforeseen,
  isGone: (call: AbortSignal) => boolean,
): UniversalHandlerFn {
  const explainTo = ({ signal }: UniversalServerRequest, status: Code, problem: string): ReturnType<Explain> => {
    const message = fitText(problem);
    // Reading the rest of the request has failed, because the client has left.
    if (status === Code.Internal && (signal.aborted || isGone(signal))) {
      return { code: Code.Canceled, message, info: infoOf(reasonOf(Code.Canceled, message, newId)) };
    }
    const isUnreadable = status === Code.Internal && UNREADABLE.test(message);
    const error = reasonOf(isUnreadable ? Code.InvalidArgument : status, message, newId);
    if (error.reason === "INTERNAL") report(error.metadata.error_id ?? "", new Error(problem));
    const code = isUnreadable && !UNNAMED_COMPRESSION.test(message) ? Code.InvalidArgument : status;
    return { code, message, info: infoOf(error) };
  };
  return async (request) => {
    const response = await handler(request);
    const explain: Explain = (status, problem) => explainTo(request, status, problem);
    if (isBare(response)) return withBody(response, request);
    if (response.trailer !== undefined) return { ...response, ...inTrailer(response, response.trailer, explain) };
    if (response.status !== 200) return inBody(response, explain);
    const type = response.header?.get("content-type") ?? "";
    if (type.startsWith("application/grpc-web"))
      return { ...response, body: inLast(response, GRPC_WEB_END, inWeb(explain)) };
    if (type.startsWith("application/connect+"))
      return { ...response, body: inLast(response, CONNECT_END, inEnd(explain)) };
    return response;
  };
}

function isBare({ status, body, trailer }: UniversalServerResponse): boolean {
  return status >= 400 && body === undefined && trailer === undefined;
}

/**
 * Adds an error body, in the format of REST, to answers that have only a status. It is a problem (RFC 9457), because an error
 * of the type application/json would have to be an error of Connect.
 */
function withBody(response: UniversalServerResponse, request: UniversalServerRequest): UniversalServerResponse {
  const header = new Headers(response.header);
  if (response.status === 405 && !header.has("allow")) header.set("allow", "POST");
  header.set("content-type", "application/problem+json");
  const { status } = response;
  const error = fromHeliosError(bareError(status, request, header.get("allow") ?? ""));
  const failure = { ...toFailure(error).body.error, code: status };
  const problem = { title: STATUS_CODES[status], status, detail: error.rawMessage, error: failure };
  const bytes = new TextEncoder().encode(`${JSON.stringify(problem)}\n`);
  async function* whole(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    yield bytes;
  }
  return { ...response, header, body: whole() };
}

function bareError(status: number, { url, method, header }: UniversalServerRequest, allowed: string): HeliosError {
  switch (status) {
    case 405:
      return HeliosError.of("HTTP_METHOD_NOT_ALLOWED", { method, path: new URL(url).pathname, allowed });
    case 415: {
      const value = (header.get("content-type") ?? "(none)").slice(0, 60);
      return HeliosError.of("HTTP_MEDIA_TYPE_UNSUPPORTED", { header: "content-type", value });
    }
    default:
      return HeliosError.of("REQUEST_UNSUPPORTED", { problem: "this method needs HTTP/2" });
  }
}

/** Messages of errors that Connect reports as INTERNAL although the caller's request caused them. */
const UNREADABLE = /^(parse binary: |received compressed envelope|decompression failed)/;
/**
 * The message of the error about a compressed message without the name of a compression. gRPC (doc/compression.md) and Connect
 * require INTERNAL for it.
 */
const UNNAMED_COMPRESSION = /^received compressed envelope/;

function reasonOf(code: Code, problem: string, newId: () => string): HeliosError {
  switch (code) {
    case Code.InvalidArgument:
      return HeliosError.of("REQUEST_MALFORMED", { problem });
    case Code.ResourceExhausted:
      return HeliosError.of("MESSAGE_TOO_LARGE", { problem });
    case Code.Unimplemented:
      return HeliosError.of("REQUEST_UNSUPPORTED", { problem });
    case Code.DeadlineExceeded:
      return HeliosError.of("CALL_DEADLINE_EXCEEDED", { problem });
    case Code.Canceled:
    case Code.Aborted:
      return HeliosError.of("CALL_CANCELLED", { problem });
    default:
      return HeliosError.of("INTERNAL", { error_id: newId() });
  }
}

/**
 * Returns an error that Connect or its transport created by itself with a reason, and with a text that fits into a trailer: it
 * may repeat what the client has sent. An error with details is returned as it is.
 */
export function withReason(error: ConnectError, newId: () => string, report: ReportUnforeseen): ConnectError {
  if (error.details.length > 0) return error;
  const text = fitText(error.rawMessage);
  const explained = reasonOf(error.code, text, newId);
  if (explained.reason === "INTERNAL") report(explained.metadata.error_id ?? "", error);
  const fitting = new ConnectError(text, error.code, error.metadata, undefined, error.cause);
  fitting.details.push({ desc: ErrorInfoSchema, value: infoOf(explained) });
  return fitting;
}

type Chunks = AsyncIterable<Uint8Array<ArrayBuffer>>;

function chunksOf({ body }: UniversalServerResponse): Chunks {
  return body as Chunks;
}

/** For gRPC: explains the error in the trailers, which are read after the body. */
function inTrailer(response: UniversalServerResponse, trailer: Headers, explain: Explain) {
  async function* body(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    yield* chunksOf(response);
    explainStatus(trailer, explain);
  }
  return { body: body() };
}

/** Explains the error in the trailers. Returns whether there was one. */
function explainStatus(trailer: Headers, explain: Explain): boolean {
  const given = Number(trailer.get(GRPC_STATUS) ?? "0");
  if (given === 0 || trailer.has(GRPC_DETAILS)) return false;
  const { code, message, info } = explain(given, decodeURIComponent(trailer.get(GRPC_MESSAGE) ?? ""));
  const status = create(StatusSchema, { code, message, details: [anyPack(ErrorInfoSchema, info)] });
  trailer.set(GRPC_STATUS, String(code));
  trailer.set(GRPC_MESSAGE, encodeURIComponent(message));
  trailer.set(GRPC_DETAILS, encodeBinaryHeader(status, StatusSchema));
  return true;
}

/** Rewrites the content of the last envelope, which has the given flag. */
async function* inLast(
  response: UniversalServerResponse,
  flag: number,
  rewrite: (data: string) => string,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of chunksOf(response)) {
    if (chunk[0] !== flag) {
      yield chunk;
      continue;
    }
    const data = new TextEncoder().encode(rewrite(new TextDecoder().decode(chunk.subarray(HEADER_BYTES))));
    const envelope = new Uint8Array(HEADER_BYTES + data.length);
    envelope[0] = flag;
    new DataView(envelope.buffer).setUint32(1, data.length);
    envelope.set(data, HEADER_BYTES);
    yield envelope;
  }
}

function inWeb(explain: Explain): (data: string) => string {
  return (data) => {
    const lines = data.split("\r\n").filter((line) => line !== "");
    const trailer = new Headers(
      lines.map((line): [string, string] => {
        const at = line.indexOf(":");
        return [line.slice(0, at), line.slice(at + 1).trim()];
      }),
    );
    if (!explainStatus(trailer, explain)) return data;
    return [...trailer].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  };
}

function inEnd(explain: Explain): (data: string) => string {
  return (data) => {
    const end = JSON.parse(data) as { error?: WireError };
    return end.error === undefined ? data : JSON.stringify({ ...end, error: explained(end.error, explain) });
  };
}

/** For unary Connect calls: the whole body is the error. */
async function inBody(response: UniversalServerResponse, explain: Explain): Promise<UniversalServerResponse> {
  const { header, body } = response;
  if (body === undefined || header?.get("content-type") !== "application/json" || header.has("content-encoding")) {
    return response;
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(response)) chunks.push(chunk);
  const error = JSON.parse(Buffer.concat(chunks).toString()) as WireError;
  const answer = explained(error, explain);
  const bytes = new TextEncoder().encode(JSON.stringify(answer));
  header.set("content-length", String(bytes.length));
  async function* whole(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    yield bytes;
  }
  const code = codeFromString(answer.code);
  const status = code === Code.InvalidArgument ? 400 : response.status;
  return { ...response, status, body: whole() };
}

interface WireError {
  readonly code: string;
  readonly message?: string;
  readonly details?: readonly unknown[];
}

function explained(error: WireError, explain: Explain): WireError {
  if (error.details !== undefined) return error;
  const { code, message, info } = explain(codeFromString(error.code) ?? Code.Unknown, error.message ?? "");
  const value = Buffer.from(toBinary(ErrorInfoSchema, info)).toString("base64").replaceAll("=", "");
  const name = code === Code.InvalidArgument ? "invalid_argument" : error.code;
  return {
    ...error,
    code: name,
    message,
    details: [{ type: ErrorInfoSchema.typeName, value, debug: toJson(ErrorInfoSchema, info) }],
  };
}
