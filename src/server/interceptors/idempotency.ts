import { createHash } from "node:crypto";
import { type DescMethodUnary, fromBinary, isMessage, type Message, toBinary } from "@bufbuild/protobuf";
import type { Interceptor, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { InvokeModuleRequestSchema } from "../../../gen/helios/v1/module_service_pb.ts";
import { HeliosError, type RequestLog } from "../../core/index.ts";

interface Pending {
  readonly digest: string;
  readonly answer: Promise<UnaryResponse>;
}

/**
 * Gives a request whose `request_id` was answered before the first answer again; one that arrives while the first is
 * under way waits for it. The same id with other content is REQUEST_ID_REUSED. Failures are not remembered.
 */
export function createIdempotency(log: RequestLog): Interceptor {
  const pending = new Map<string, Pending>();
  return (next) => async (request) => {
    const id = request.stream ? undefined : requestId(request.message);
    if (id === undefined || request.stream) return next(request);
    const { method } = request as UnaryRequest & { method: DescMethodUnary };
    const digest = digestOf(method, request.message);
    const running = pending.get(id);
    const earlier = log.find(id);
    if ([running, earlier].some((before) => before !== undefined && before.digest !== digest)) {
      throw HeliosError.of("REQUEST_ID_REUSED", { request_id: id });
    }
    if (running !== undefined) return running.answer;
    if (earlier !== undefined) return replay(request, method, earlier.answer);
    const answer = answered(next(request) as Promise<UnaryResponse>, method, (text) =>
      log.remember(id, { digest, answer: text }),
    );
    pending.set(id, { digest, answer });
    try {
      return await answer;
    } finally {
      pending.delete(id);
    }
  };
}

async function answered(
  response: Promise<UnaryResponse>,
  { output }: DescMethodUnary,
  remember: (answer: string) => Promise<void>,
): Promise<UnaryResponse> {
  const settled = await response;
  await remember(Buffer.from(toBinary(output, settled.message)).toString("base64"));
  return settled;
}

function replay(request: UnaryRequest, method: DescMethodUnary, answer: string): UnaryResponse {
  return {
    stream: false,
    service: request.service,
    method,
    header: new Headers(),
    trailer: new Headers(),
    message: fromBinary(method.output, Buffer.from(answer, "base64")),
  };
}

/** What makes a request one that is answered once: its `request_id`, or a module call's `idempotency_key`. */
function requestId(message: Message): string | undefined {
  if (isMessage(message, InvokeModuleRequestSchema)) {
    return message.idempotencyKey === "" ? undefined : `${message.name}:${message.idempotencyKey}`;
  }
  const id = (message as Message & { requestId?: unknown }).requestId;
  return typeof id === "string" && id !== "" ? id.toLowerCase() : undefined;
}

function digestOf({ input, parent, name }: DescMethodUnary, message: Message): string {
  return createHash("sha256").update(`${parent.typeName}/${name}\n`).update(toBinary(input, message)).digest("hex");
}
