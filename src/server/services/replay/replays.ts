import {
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { HeliosError, type RequestLog } from "../../../core/index.ts";
import { make } from "../../map/message.ts";
import { digestOf } from "./canonical.ts";
import { SharedCall } from "./shared-call.ts";

type UnaryMethod = (request: Message, context: HandlerContext) => Promise<MessageInitShape<DescMessage>>;

/** Wraps a service. */
export type Replays = <S extends DescService>(service: S, impl: ServiceImpl<S>) => ServiceImpl<S>;

/**
 * Makes services repeat the first answer to a request with the same `request_id`. A request that arrives while the first
 * one is in progress waits for it. The same id with other content is REQUEST_ID_REUSED. If the answer was deleted early,
 * the error is ANSWER_NOT_KEPT. Failures are not stored. A call in progress goes on to its end even if nobody waits for it,
 * because half a change would be neither the old nor the new state. Calls of modules have idempotency keys instead, which
 * the engine handles.
 */
export function createReplays(log: RequestLog): Replays {
  const running = new Map<string, SharedCall<Message>>();
  return <S extends DescService>(service: S, impl: ServiceImpl<S>) => {
    const own = impl as unknown as Record<string, UnaryMethod>;
    const methods = service.methods.map((method) => {
      const next: UnaryMethod = async (request, context) => (await own[method.localName]?.(request, context)) ?? {};
      return [method.localName, canReplay(method) ? replaying(method, next, log, running) : own[method.localName]];
    });
    return Object.fromEntries(methods) as ServiceImpl<S>;
  };
}

/** Whether requests of the method may have an id by which the answer is repeated. */
export function canReplay({ methodKind, input }: DescMethod): boolean {
  return methodKind === "unary" && input.fields.some(({ name }) => name === "request_id");
}

function replaying(
  method: DescMethod,
  next: UnaryMethod,
  log: RequestLog,
  running: Map<string, SharedCall<Message>>,
): UnaryMethod {
  const { output } = method;
  const answerOnce = async (request: Message, context: HandlerContext, id: string, digest: string) => {
    const answer = make(output, await next(request, context));
    // The request was carried out, so the caller gets the answer even if it could not be stored for a retry.
    await log.remember(id, { digest, answer: toBinary(output, answer) }).catch(() => {});
    return answer;
  };
  return async (request, context) => {
    const id = requestId(request);
    if (id === undefined) return next(request, context);
    const digest = digestOf(method, request);
    const [now, before] = [running.get(id), log.find(id)];
    if ([now, before].some((known) => known !== undefined && known.digest !== digest)) {
      throw HeliosError.of("REQUEST_ID_REUSED", { request_id: id });
    }
    if (before !== undefined) {
      // Carrying the request out again would do twice what should be done once.
      if (before.answer === undefined) throw HeliosError.of("ANSWER_NOT_KEPT", { request_id: id });
      return fromBinary(output, before.answer);
    }
    if (now !== undefined) return now.wait(context.signal);
    const call = new SharedCall(digest, context, (shared) =>
      answerOnce(request, shared, id, digest).finally(() => running.delete(id)),
    );
    running.set(id, call);
    return call.wait(context.signal);
  };
}

function requestId(request: Message): string | undefined {
  const { requestId: id } = request as Message & { readonly requestId?: string };
  return id === undefined || id === "" ? undefined : id.toLowerCase();
}
