import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { encodeBlock } from "../hpack/encoder.ts";

/** The head of every answer, and the trailers of a successful one (gRPC over HTTP/2, "Responses"). */
const HEAD = [":status", "200", "content-type", "application/grpc+proto"] as const;
const HEAD_BLOCK = encodeBlock(HEAD);
const OK_BLOCK = encodeBlock(["grpc-status", "0"]);

/** Returns the head of an answer, with the headers that the service has set. */
export function headBlock(given: Headers | undefined): Uint8Array {
  return given === undefined ? HEAD_BLOCK : encodeBlock([...HEAD, ...[...given].flat()]);
}

/** Returns the trailers of an answer, with those that the service has set. */
export function trailerBlock(given: Headers | undefined, error?: ConnectError): Uint8Array {
  if (given === undefined && error === undefined) return OK_BLOCK;
  const trailer = setTrailerStatus(new Headers(given), error);
  return encodeBlock([...trailer].flat());
}
