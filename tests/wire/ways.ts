import { createRegistry, type DescMethod, fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { SERVICES } from "../../src/server/contract.ts";
import { message } from "./abuse/frames.ts";
import type { Sent } from "./raw.ts";
import { isEndless } from "./script.ts";

const registry = createRegistry(...SERVICES);

/** A protocol, a format and a version of HTTP. */
export interface Way {
  readonly name: string;
  readonly httpVersion: "1.1" | "2";
  readonly protocol: "grpc" | "connect";
  readonly format: "proto" | "json";
}

export const WAYS: readonly Way[] = [
  { name: "gRPC", httpVersion: "2", protocol: "grpc", format: "proto" },
  { name: "Connect with protobuf over HTTP/2", httpVersion: "2", protocol: "connect", format: "proto" },
  { name: "Connect with JSON over HTTP/2", httpVersion: "2", protocol: "connect", format: "json" },
  { name: "Connect with protobuf over HTTP/1.1", httpVersion: "1.1", protocol: "connect", format: "proto" },
  { name: "Connect with JSON over HTTP/1.1", httpVersion: "1.1", protocol: "connect", format: "json" },
];

/** Whether messages have a prefix. */
export const isEnveloped = (way: Way, rpc: DescMethod): boolean =>
  way.protocol === "grpc" || rpc.methodKind !== "unary";

export function typeOf(way: Way, rpc: DescMethod): string {
  if (way.protocol === "grpc") return "application/grpc";
  return isEnveloped(way, rpc) ? `application/connect+${way.format}` : `application/${way.format}`;
}

/** A request with that body, which may be anything. */
export function sentAs(way: Way, rpc: DescMethod, body: Buffer, more: Partial<Sent> = {}): Sent {
  return {
    httpVersion: way.httpVersion,
    path: `/${rpc.parent.typeName}/${rpc.name}`,
    body,
    messages: isEndless(rpc) ? 1 : undefined,
    ...more,
    headers: { "content-type": typeOf(way, rpc), ...more.headers },
  };
}

/** The body of a request. */
export function bodyOf(way: Way, rpc: DescMethod, json: JsonObject): Buffer {
  const content = Buffer.from(
    way.format === "json" ? JSON.stringify(json) : toBinary(rpc.input, fromJson(rpc.input, json, { registry })),
  );
  return isEnveloped(way, rpc) ? message(content) : content;
}
