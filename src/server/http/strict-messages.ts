import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { COMPRESSED, checkFlags, incomplete } from "../transport/grpc/flags.ts";
import { createEnvelopes } from "./envelopes.ts";

type Chunk = Uint8Array<ArrayBuffer>;

/**
 * Refuses requests of gRPC and gRPC-Web that Connect would take for others: a message with unknown flags, and a prefix at the end
 * whose message has not come.
 */
export function strictMessages(handler: UniversalHandlerFn): UniversalHandlerFn {
  return (request) => {
    const { header, body } = request;
    const isGrpc = (header.get("content-type") ?? "").startsWith("application/grpc");
    return handler(isGrpc && isStream(body) ? { ...request, body: checked(body) } : request);
  };
}

function isStream(body: unknown): body is AsyncIterable<Chunk> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

async function* checked(body: AsyncIterable<Chunk>): AsyncGenerator<Chunk> {
  let wrong: { readonly flags: number; readonly at: number } | undefined;
  const envelopes = createEnvelopes((flags, at) => {
    if (flags > COMPRESSED) wrong ??= { flags, at };
  });
  let left = 0;
  for await (const chunk of body) {
    left = envelopes.add(chunk);
    // The messages before it are still read.
    yield wrong === undefined ? chunk : chunk.subarray(0, wrong.at);
    if (wrong !== undefined) checkFlags(wrong.flags);
  }
  if (left > 0) throw incomplete();
}
