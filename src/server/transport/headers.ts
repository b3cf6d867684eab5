import { HeliosError } from "../../core/index.ts";
import { fromHeliosError } from "../errors.ts";
import type { FrameGate } from "./frame-gate.ts";
import { MAX_HTTP2_HEADERS_BYTES } from "./limits.ts";
import type { RequestHandler } from "./request-handler.ts";

type Request = Parameters<RequestHandler>[0];

/** Bytes that a header counts in addition to its name and value (RFC 9113, 6.5.2). */
const BYTES_PER_HEADER = 32;

/** Frame gates by session. */
const gates = new WeakMap<object, FrameGate>();

export function rememberGate(session: object, gate: FrameGate): void {
  gates.set(session, gate);
}

/**
 * Returns the error for a request whose headers exceed a limit. In HTTP/1.1, this is detected before there is a request.
 */
export function headersRefusal(request: Request): HeliosError | undefined {
  if (!("stream" in request)) return undefined;
  const { id = 0, session } = request.stream;
  const beyond = session === undefined ? undefined : gates.get(session)?.takeBeyond(id);
  if (beyond === undefined && bytesOf(request.rawHeaders) <= MAX_HTTP2_HEADERS_BYTES) return undefined;
  return HeliosError.of("HTTP_HEADERS_TOO_LARGE", { limit: beyond ?? MAX_HTTP2_HEADERS_BYTES });
}

function bytesOf(rawHeaders: readonly string[]): number {
  return rawHeaders.reduce((bytes, text) => bytes + text.length, (BYTES_PER_HEADER * rawHeaders.length) / 2);
}

/** From now on, reading the request fails with that error. */
export function refuseBody(request: Request, error: HeliosError): void {
  // biome-ignore lint/correctness/useYield: it never yields
  async function* read(): AsyncGenerator<never> {
    throw fromHeliosError(error);
  }
  request[Symbol.asyncIterator] = read;
}
