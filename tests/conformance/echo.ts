import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import {
  type ConformancePayload,
  ConformancePayload_RequestInfoSchema,
  ConformancePayloadSchema,
  type Error as ErrorDefinition,
  type Header,
  HeaderSchema,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

/** The headers and trailers that the definition of a response asks for. */
export interface Metadata {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
}

/** Adds the metadata to the response, whether it will be an answer or an error. */
export function addMetadata(definition: Metadata | undefined, context: HandlerContext): void {
  for (const { name, value } of definition?.responseHeaders ?? []) {
    for (const one of value) context.responseHeader.append(name, one);
  }
  for (const { name, value } of definition?.responseTrailers ?? []) {
    for (const one of value) context.responseTrailer.append(name, one);
  }
}

/** Describes what the server has seen of a call: its headers, its remaining time, its query and these messages. */
export function infoOf<D extends DescMessage>(context: HandlerContext, schema: D, seen: readonly MessageShape<D>[]) {
  const timeoutMs = context.timeoutMs();
  return create(ConformancePayload_RequestInfoSchema, {
    requestHeaders: headersOf(context.requestHeader),
    requests: seen.map((message) => anyPack(schema, message)),
    ...(timeoutMs === undefined ? {} : { timeoutMs: BigInt(Math.floor(timeoutMs)) }),
    ...(context.requestMethod === "GET" ? { connectGetInfo: { queryParams: queryOf(context.url) } } : {}),
  });
}

export type RequestInfo = ReturnType<typeof infoOf>;

export function payloadOf(data: Uint8Array | undefined, info?: RequestInfo): ConformancePayload {
  return create(ConformancePayloadSchema, {
    ...(data === undefined ? {} : { data }),
    ...(info === undefined ? {} : { requestInfo: info }),
  });
}

/** Returns the error that a definition asks for. `info` goes into its details if no answer has carried it. */
export function errorOf({ code, message = "", details }: ErrorDefinition, info?: RequestInfo): ConnectError {
  // The numbers of the codes are those of the protocol.
  const error = new ConnectError(message, code as number as Code);
  const all = info === undefined ? details : [...details, anyPack(ConformancePayload_RequestInfoSchema, info)];
  error.details.push(...all.map(detailOf));
  return error;
}

const detailOf = ({ typeUrl, value }: Any) => ({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value });

function headersOf(pairs: Iterable<readonly [string, string]>): Header[] {
  return [...pairs].map(([name, value]) => create(HeaderSchema, { name, value: [value] }));
}

function queryOf(url: string): Header[] {
  return headersOf(new URL(url).searchParams);
}
