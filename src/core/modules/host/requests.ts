import { HeliosError } from "../../errors.ts";
import { toWire } from "./bootstrap/wire.ts";
import type { Channel } from "./channel.ts";
import type { InstanceServices, Payload } from "./host.ts";
import type { FromInstance, WireError } from "./protocol.ts";

type Request = Extract<FromInstance, { type: "call" | "flag" }>;
type CallRequest = Extract<Request, { type: "call" }>;

/** What a module asks of the service. */
export interface Requests {
  /** Does it, and sends the module what came of it. */
  serve(request: Request): Promise<void>;
  /** Calls under way that it makes of its own accord: to answer none that still runs. `gateway.place_order`. */
  ownCalls(): readonly string[];
  /** Resolves when the calls are answered that are under way now. */
  answered(): Promise<void>;
}

/** Does what a module asks of the service, from its start on; `gone`: it has ended. */
export function createRequests(
  services: InstanceServices,
  channel: () => Channel,
  gone: AbortSignal,
  originOf: (callId: number) => unknown,
): Requests {
  const underWay = new Map<Promise<Payload>, CallRequest>();
  const call = async (request: CallRequest): Promise<Payload> => {
    const { dependency, method, input, within } = request;
    const calling = services.call(dependency, method, input, { signal: gone, origin: originOf(within) });
    underWay.set(calling, request);
    try {
      return await calling;
    } finally {
      underWay.delete(calling);
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
    ownCalls: () =>
      [...underWay.values()]
        .filter(({ within }) => originOf(within) === undefined)
        .map(({ dependency, method }) => `${dependency}.${method}`),
    async answered() {
      await Promise.allSettled(underWay.keys());
    },
  };
}

function refusalOf(thrown: unknown): WireError {
  if (!(thrown instanceof HeliosError)) return toWire(thrown);
  const { name, message, reason, metadata } = thrown;
  return { name, message, stack: "", code: reason, metadata };
}
