import { createHash } from "node:crypto";
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  isMessage,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { InvokeModuleRequestSchema } from "../../../gen/helios/v1/module_service_pb.ts";
import { HeliosError, type RequestLog } from "../../core/index.ts";

type UnaryMethod = (request: Message, context: HandlerContext) => Promise<MessageInitShape<DescMessage>>;

interface Running {
  readonly digest: string;
  readonly answer: Promise<Message>;
}

/** Wraps a service. */
export type Replays = <S extends DescService>(service: S, impl: ServiceImpl<S>) => ServiceImpl<S>;

/**
 * Makes services give a request that was answered before its first answer again, by its `request_id` (of a module's
 * call: its `idempotency_key`); one that arrives while the first is under way waits for that. The same id with other
 * content is REQUEST_ID_REUSED. Failures are not remembered.
 */
export function createReplays(log: RequestLog): Replays {
  const running = new Map<string, Running>();
  return <S extends DescService>(service: S, impl: ServiceImpl<S>) => {
    const own = impl as unknown as Record<string, UnaryMethod>;
    const methods = service.methods.map((method) => {
      const next: UnaryMethod = async (request, context) => (await own[method.localName]?.(request, context)) ?? {};
      return [method.localName, canReplay(method) ? replaying(method, next, log, running) : own[method.localName]];
    });
    return Object.fromEntries(methods) as ServiceImpl<S>;
  };
}

function canReplay({ methodKind, input }: DescMethod): boolean {
  const hasId = input.fields.some(({ name }) => name === "request_id" || name === "idempotency_key");
  return methodKind === "unary" && hasId;
}

function replaying(
  { input, output, parent, name }: DescMethod,
  next: UnaryMethod,
  log: RequestLog,
  running: Map<string, Running>,
): UnaryMethod {
  const answerOnce = async (request: Message, context: HandlerContext, id: string, digest: string) => {
    const answer = create(output, await next(request, context));
    const text = Buffer.from(toBinary(output, answer)).toString("base64");
    // What is done is done: its caller gets the answer, even if a retry could not.
    await log.remember(id, { digest, answer: text }).catch(() => {});
    return answer;
  };
  return async (request, context) => {
    const id = requestId(request);
    if (id === undefined) return next(request, context);
    const digest = createHash("sha256")
      .update(`${parent.typeName}/${name}\n`)
      .update(toBinary(input, request))
      .digest("hex");
    const [now, before] = [running.get(id), log.find(id)];
    if ([now, before].some((known) => known !== undefined && known.digest !== digest)) {
      throw HeliosError.of("REQUEST_ID_REUSED", { request_id: id });
    }
    if (now !== undefined) return now.answer;
    if (before !== undefined) return fromBinary(output, Buffer.from(before.answer, "base64"));
    const answer = answerOnce(request, context, id, digest);
    running.set(id, { digest, answer });
    try {
      return await answer;
    } finally {
      running.delete(id);
    }
  };
}

function requestId(request: Message): string | undefined {
  if (isMessage(request, InvokeModuleRequestSchema)) {
    return request.idempotencyKey === "" ? undefined : `${request.name}:${request.idempotencyKey}`;
  }
  const { requestId: id } = request as Message & { readonly requestId?: string };
  return id === undefined || id === "" ? undefined : id.toLowerCase();
}
