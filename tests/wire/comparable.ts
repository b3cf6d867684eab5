import { gunzipSync } from "node:zlib";
import { type DescMethod, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { decodeBinaryHeader } from "@connectrpc/connect";
import { type ErrorInfo, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { type Answer, PREFIX_BYTES } from "./raw.ts";

/** The headers that may differ between the two paths, and why. */
const MAY_DIFFER: Readonly<Record<string, string>> = {
  date: "node:http2 sends it. A call needs none, and it would cost bytes in each answer.",
  "accept-encoding": "Connect names what it can unpack in answers to a compression that it does not know.",
  "content-encoding": "The direct path does not pack its answers.",
  "grpc-encoding": "The same.",
  "content-length": "It depends on the compression. A wrong one makes an answer broken.",
};

/** The words of errors that differ between the two paths. */
const WORDS: readonly RegExp[] = [
  // Connect names the kind of the method.
  /(?<=input message for )\S+(?: \S+)?(?= method)/g,
  /(?<=received compressed envelope, but ).+/g,
  // Connect does not name a size that it has not read to the end.
  /(?<=message size )\d+ (?=is larger)/g,
];

/** What must be equal of two answers. */
export function comparable(rpc: DescMethod, { status, headers, trailers, body, broken }: Answer): object {
  const type = String(headers["content-type"] ?? "");
  const unpacked = headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
  return { status, broken, headers: given(headers), trailers: given(trailers), body: decoded(rpc, type, unpacked) };
}

function given(fields: Readonly<Record<string, unknown>>): object {
  const kept = Object.entries(fields).filter(([name]) => !Object.hasOwn(MAY_DIFFER, name));
  return Object.fromEntries(kept.map(([name, value]) => [name, fieldOf(name, value)]));
}

function fieldOf(name: string, value: unknown): unknown {
  if (name === "grpc-message") return inWords(decodeURIComponent(String(value)));
  if (name !== "grpc-status-details-bin") return value;
  const { code, message, details } = decodeBinaryHeader(String(value), StatusSchema);
  const shown = details.map((one) => {
    const info = anyUnpack(one, ErrorInfoSchema);
    return info === undefined ? [one.typeUrl, textOf(one.value)] : infoOf(info);
  });
  return { code, message: inWords(message), details: shown };
}

function infoOf({ reason, domain, metadata }: ErrorInfo): object {
  return { reason, domain, metadata: Object.entries(metadata).map(([key, text]) => [key, inWords(text)]) };
}

/** Reads JSON. Connect writes the ErrorInfo of an error as base64. */
function inJson(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString(), (_, value: unknown) => {
    if (typeof value === "string") return inWords(value);
    if (!isPackedInfo(value)) return value;
    return { ...value, value: infoOf(fromBinary(ErrorInfoSchema, Buffer.from(value.value, "base64"))) };
  });
}

function isPackedInfo(value: unknown): value is { readonly value: string } {
  return typeof value === "object" && value !== null && "type" in value && value.type === ErrorInfoSchema.typeName;
}

/** The order of fields and members is free. */
function decoded(rpc: DescMethod, type: string, body: Buffer): unknown {
  const inBinary = (bytes: Buffer): string => textOf(toBinary(rpc.output, fromBinary(rpc.output, bytes)));
  if (type.startsWith("application/json")) return inJson(body);
  if (type === "application/proto") return inBinary(body);
  if (!/^application\/(grpc|connect)\+/.test(type)) return textOf(body);
  const read = type.endsWith("json") ? inJson : inBinary;
  const messages: unknown[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + PREFIX_BYTES + body.readUInt32BE(at + 1);
    const flags = body[at] ?? 0;
    const content = body.subarray(at + PREFIX_BYTES, end);
    if (flags > 1) messages.push([flags, inJson(content)]);
    else messages.push(read(flags === 1 ? gunzipSync(content) : content));
    at = end;
  }
  return messages;
}

const inWords = (text: string): string => WORDS.reduce((before, words) => before.replaceAll(words, ""), text);

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
