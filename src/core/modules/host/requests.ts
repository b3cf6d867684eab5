import { HeliosError } from "../../errors.ts";
import { toWire } from "./bootstrap/wire.ts";
import type { Channel } from "./channel.ts";
import type { InstanceServices, Payload } from "./host.ts";
import type { FromInstance, WireError } from "./protocol.ts";

type Request = Extract<FromInstance, { type: "call" | "flag" }>;

/** What a module asks of the service. */
export interface Requests {
  /** Does it, and sends the module what came of it. */
  serve(request: Request): Promise<void>;
  /** Calls under way that it makes of its own accord. */
  readonly ownCalls: number;
}

/** Does what a module asks of the service, from its start on; `gone`: it has ended. */
export function createRequests(
  services: InstanceServices,
  channel: () => Channel,
  gone: AbortSignal,
  originOf: (callId: number) => unknown,
): Requests {
  let ownCalls = 0;
  const call = async ({ dependency, method, input, within }: Extract<Request, { type: "call" }>): Promise<Payload> => {
    const origin = originOf(within);
    if (origin === undefined) ownCalls += 1;
    try {
      return await services.call(dependency, method, input, { signal: gone, origin });
    } finally {
      if (origin === undefined) ownCalls -= 1;
    }
  };
  const work = async (request: Request): Promise<Payload> =>
    request.type === "flag" ? { json: services.isFlagEnabled(request.name, request.context) } : call(request);
  return {
    async serve(request) {
      const { id } = request;
      try {
        channel().send({ type: "answer", id, value: await work(request) });
      } catch (thrown) {
        channel().send({ type: "refusal", id, error: refusalOf(thrown) });
      }
    },
    get ownCalls() {
      return ownCalls;
    },
  };
}

function refusalOf(thrown: unknown): WireError {
  if (!(thrown instanceof HeliosError)) return toWire(thrown);
  const { name, message, reason, metadata } = thrown;
  return { name, message, stack: "", code: reason, metadata };
}
