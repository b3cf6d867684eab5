import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Clock } from "../../src/core/index.ts";
import { pause } from "../../src/kernel/async/pause.ts";
import { addMetadata, errorOf, infoOf, payloadOf, type RequestInfo } from "./echo.ts";
import {
  type BidiStreamRequest,
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  type ConformanceService,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

/**
 * The service of the conformance suite: each request says how it wants to be answered, and each answer says what the server
 * has seen of the call. The comments of service.proto are its specification. `Unimplemented` is left out on purpose.
 */
export function createConformanceService(clock: Clock): Partial<ServiceImpl<typeof ConformanceService>> {
  const wait = async (ms: number | undefined, { signal }: HandlerContext): Promise<void> => {
    if (ms !== undefined && ms > 0) await pause(clock, ms, signal, true);
    signal.throwIfAborted();
  };

  /** Answers a call that has one answer. */
  async function one<D extends DescMessage>(
    definition: UnaryResponseDefinition | undefined,
    schema: D,
    seen: readonly MessageShape<D>[],
    context: HandlerContext,
  ): Promise<{ payload: ConformancePayload }> {
    addMetadata(definition, context);
    const info = infoOf(context, schema, seen);
    await wait(definition?.responseDelayMs, context);
    const response = definition?.response;
    if (response?.case === "error") throw errorOf(response.value, info);
    return { payload: payloadOf(response?.value, info) };
  }

  /** Sends the answers of a stream from number `from` on. Only the first one of the stream carries the information. */
  async function* rest(
    definition: StreamResponseDefinition | undefined,
    from: number,
    info: RequestInfo,
    context: HandlerContext,
  ): AsyncGenerator<{ payload: ConformancePayload }> {
    const data = definition?.responseData ?? [];
    for (const [index, bytes] of data.entries()) {
      if (index < from) continue;
      await wait(definition?.responseDelayMs, context);
      yield { payload: payloadOf(bytes, index === 0 ? info : undefined) };
    }
    if (definition?.error !== undefined) throw errorOf(definition.error, data.length === 0 ? info : undefined);
  }

  /** Answers each request before the next one is read. */
  async function* inTurns(
    requests: AsyncIterator<BidiStreamRequest>,
    first: BidiStreamRequest,
    context: HandlerContext,
  ): AsyncGenerator<{ payload: ConformancePayload }> {
    const definition = first.responseDefinition;
    const data = definition?.responseData ?? [];
    let sent = 0;
    let request: BidiStreamRequest | undefined = first;
    for (; request !== undefined && sent < data.length; sent += 1) {
      await wait(definition?.responseDelayMs, context);
      yield { payload: payloadOf(data[sent], infoOf(context, BidiStreamRequestSchema, [request])) };
      request = await nextOf(requests);
    }
    const unanswered = request === undefined ? [] : [request];
    yield* rest(definition, sent, infoOf(context, BidiStreamRequestSchema, unanswered), context);
  }

  return {
    unary: (request, context) => one(request.responseDefinition, UnaryRequestSchema, [request], context),
    idempotentUnary: (request, context) =>
      one(request.responseDefinition, IdempotentUnaryRequestSchema, [request], context),
    async clientStream(requests, context) {
      const reader = requests[Symbol.asyncIterator]();
      const seen = await restOf(reader, await nextOf(reader));
      return one(seen[0]?.responseDefinition, ClientStreamRequestSchema, seen, context);
    },
    async *serverStream(request, context) {
      const { responseDefinition } = request;
      addMetadata(responseDefinition, context);
      yield* rest(responseDefinition, 0, infoOf(context, ServerStreamRequestSchema, [request]), context);
    },
    async *bidiStream(requests, context) {
      const reader = requests[Symbol.asyncIterator]();
      const first = await nextOf(reader);
      addMetadata(first?.responseDefinition, context);
      if (first?.fullDuplex === true) {
        yield* inTurns(reader, first, context);
        return;
      }
      const seen = await restOf(reader, first);
      yield* rest(first?.responseDefinition, 0, infoOf(context, BidiStreamRequestSchema, seen), context);
    },
  };
}

async function nextOf<T>(reader: AsyncIterator<T>): Promise<T | undefined> {
  const { done, value } = await reader.next();
  return done === true ? undefined : value;
}

/** Reads to the end. Returns the first message, if there is one, and all that follow it. */
async function restOf<T>(reader: AsyncIterator<T>, first: T | undefined): Promise<readonly T[]> {
  const all: T[] = [];
  for (let next = first; next !== undefined; next = await nextOf(reader)) all.push(next);
  return all;
}
