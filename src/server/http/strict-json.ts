import { isUtf8 } from "node:buffer";
import { promisify } from "node:util";
import { brotliDecompress, gunzip } from "node:zlib";
import type { DescMessage, DescMethod, JsonValue } from "@bufbuild/protobuf";
import type { ConnectError, HandlerContext } from "@connectrpc/connect";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { HeliosError, invalid, type JsonPath, pathText, refuse } from "../../core/index.ts";
import { fromHeliosError } from "../errors.ts";
import { jsonViolation } from "../map/json.ts";
import { problemOf, scanJson } from "../rest/json.ts";

const ENVELOPE_BYTES = 5;

/**
 * Refuses a JSON request that the runtime would read as a different value: ARGUMENT_INVALID with the place. See `scanJson`
 * and `jsonViolation`. A body that is too large or is not JSON is passed on, and the runtime refuses it.
 */
export function strictJson(handler: UniversalHandlerFn, method: DescMethod, maxBytes: number): UniversalHandlerFn {
  const hasOneRequest = method.methodKind === "unary" || method.methodKind === "server_streaming";
  return (request) => {
    const type = request.header.get("content-type") ?? "";
    const sent = request.body;
    if (!hasOneRequest || !JSON_TYPE.test(type) || !isStream(sent)) return handler(request);
    const isEnveloped = type.includes("+");
    const coding = CODINGS.map((name) => request.header.get(name)).find((value) => value !== null) ?? "";
    const body = checked(sent, isEnveloped, maxBytes, async (bytes) => {
      const isPacked = isEnveloped ? ((bytes[0] ?? 0) & 1) === 1 : coding !== "" && coding !== "identity";
      const data = isEnveloped ? bytes.subarray(ENVELOPE_BYTES) : bytes;
      checkJson(method.input, isPacked ? await unpack(data, coding, maxBytes) : data);
    });
    return handler({ ...request, body });
  };
}

const JSON_TYPE = /^application\/(connect\+|grpc\+|grpc-web\+)?json\b/;
const CODINGS = ["content-encoding", "connect-content-encoding", "grpc-encoding"];

function isStream(body: unknown): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

type Chunk = Uint8Array<ArrayBuffer>;

/**
 * Collects a body, and passes it on when it has been looked at. A body that is too large, or that announces a message that is, is
 * passed on at once.
 */
async function* checked(
  body: AsyncIterable<Uint8Array>,
  isEnveloped: boolean,
  maxBytes: number,
  look: (bytes: Buffer) => Promise<void>,
): AsyncGenerator<Chunk> {
  let chunks: Chunk[] = [];
  let size = 0;
  let isOver = false;
  for await (const chunk of body as AsyncIterable<Chunk>) {
    if (isOver) {
      yield chunk;
      continue;
    }
    chunks.push(chunk);
    size += chunk.length;
    isOver = size > maxBytes || (isEnveloped && announced(chunks) > maxBytes);
    if (!isOver) continue;
    yield* chunks;
    chunks = [];
  }
  if (isOver) return;
  const whole = Buffer.concat(chunks);
  await look(whole);
  yield whole;
}

/** The length of the first message, which follows the byte of flags. 0 if it has not arrived. */
function announced(chunks: readonly Chunk[]): number {
  const [first] = chunks;
  if (first === undefined) return 0;
  const head = first.length >= ENVELOPE_BYTES ? Buffer.from(first.buffer, first.byteOffset) : Buffer.concat(chunks);
  return head.length < ENVELOPE_BYTES ? 0 : head.readUInt32BE(1);
}

async function unpack(data: Buffer, coding: string, maxOutputLength: number): Promise<Buffer> {
  const unpackers = { gzip: promisify(gunzip), br: promisify(brotliDecompress) };
  const one = Object.hasOwn(unpackers, coding) ? unpackers[coding as keyof typeof unpackers] : undefined;
  // Data that cannot be decompressed, or would be too large, are refused later.
  return (await one?.(data, { maxOutputLength }).catch(() => undefined)) ?? Buffer.alloc(0);
}

/** Checks the message in the query of a Connect GET in the same way. */
export function checkQuery({ method: { input }, requestMethod, url }: HandlerContext): void {
  const { searchParams } = new URL(url);
  if (requestMethod !== "GET" || searchParams.get("encoding") !== "json" || searchParams.has("compression")) return;
  const message = searchParams.get("message") ?? "";
  const isBase64 = searchParams.get("base64") === "1";
  checkJson(input, Buffer.from(message, isBase64 ? "base64url" : "utf8"));
}

/**
 * Refuses JSON that the runtime would read as a different value: ARGUMENT_INVALID with the place. Returns the value, or
 * undefined for a text that the runtime will refuse.
 */
export function checkJson(input: DescMessage, bytes: Buffer): JsonValue | undefined {
  // The runtime would replace invalid bytes by other characters.
  if (!isUtf8(bytes)) throw invalidAt([], "the body must be UTF-8");
  const text = jsonText(bytes);
  const found = scanJson(text);
  if (found?.kind === "deep") throw invalidAt(found.path, problemOf(found));
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
  // The runtime itself refuses a repeated member.
  if (found?.kind === "twice") return undefined;
  if (found !== undefined) throw invalidAt(found.path, problemOf(found));
  try {
    refuse(jsonViolation(input, json));
    return json;
  } catch (error) {
    throw error instanceof HeliosError ? fromHeliosError(error) : error;
  }
}

/** Returns the text without a byte order mark. Readers may skip it (RFC 8259, 8.1), and REST and Connect do. */
export function jsonText(bytes: Buffer): string {
  const text = bytes.toString();
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}

function invalidAt(path: JsonPath, problem: string): ConnectError {
  return fromHeliosError(invalid(pathText(path), problem));
}
