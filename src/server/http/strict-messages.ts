import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { COMPRESSED, checkFlags } from "../transport/grpc/flags.ts";
import { createEnvelopes } from "./envelopes.ts";

type Chunk = Uint8Array<ArrayBuffer>;

/** Refuses requests of gRPC and gRPC-Web whose messages have unknown flags, which Connect ignores. */
export function knownFlags(handler: UniversalHandlerFn): UniversalHandlerFn {
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
  for await (const chunk of body) {
    envelopes.add(chunk);
    // The messages before it are still read.
    yield wrong === undefined ? chunk : chunk.subarray(0, wrong.at);
    if (wrong !== undefined) checkFlags(wrong.flags);
  }
}
