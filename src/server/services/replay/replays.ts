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
 * Makes services give a request that was answered before its first answer again, by its `request_id`; one that arrives
 * while the first is under way waits for that. The same id with other content is REQUEST_ID_REUSED; one whose answer had
 * to make room for others is ANSWER_NOT_KEPT. Failures are not remembered. What is under way goes on to its end, whether
 * or not somebody waits for it: half a change would be neither the old state nor the new one. Calls of modules have keys of
 * their own, which the engine knows.
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

/** Whether its requests may have an id by which the answer is given again. */
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
    // What is done is done: its caller gets the answer, even if a retry could not.
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
      // To carry it out again would do twice what was to be done once.
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
