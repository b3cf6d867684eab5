import { HeliosError } from "../../../errors/error.ts";
import { cut } from "../../../text/cut.ts";
import type { InstanceServices, Payload } from "../types/host.ts";
import type { WireError } from "../values/wire-error.ts";
import { toWire } from "../values/wire-error.ts";
import type { Channel } from "../wire/channel.ts";
import type { FromInstance } from "../wire/protocol.ts";

type Request = Extract<FromInstance, { type: "call" | "flag" }>;
type CallRequest = Extract<Request, { type: "call" }>;

/** Handles what a module asks of the service. */
export interface Requests {
  /** Does what is asked, and sends the module the answer. */
  serve(request: Request): Promise<void>;
  /**
   * The module's own calls that have not been answered, such as `gateway.place_order`: those that do not help to answer a
   * call whose method still runs.
   */
  ownCalls(): readonly string[];
  /** Resolves when all calls that are unanswered now have been answered. */
  answered(): Promise<void>;
}

/**
 * Calls and questions of one instance in progress at once; further ones are refused with `MODULE_OVERLOADED`.
 * @limit requests
 */
const MAX_UNDER_WAY = 10_000;

/** Creates the handler of one instance's requests. `gone` is aborted when the instance has ended. */
export function createRequests(
  name: string,
  services: InstanceServices,
  channel: () => Channel,
  gone: AbortSignal,
  originOf: (callId: number) => unknown,
): Requests {
  let unanswered = 0;
  const underWay = new Map<Promise<Payload>, CallRequest>();
  const call = async (request: CallRequest): Promise<Payload> => {
    const { dependency, method, input, within } = request;
    if (channel().isFull) throw overloaded(name, underWay.size, channel());
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
      unanswered += 1;
      try {
        if (unanswered > MAX_UNDER_WAY) throw overloaded(name, MAX_UNDER_WAY, channel());
        const isSent = channel().send({ type: "answer", id, value: await work(request) });
        if (!isSent) throw answerLost(name, request);
      } catch (thrown) {
        channel().send({ type: "refusal", id, error: refusalOf(thrown) });
      } finally {
        unanswered -= 1;
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

function overloaded(name: string, in_flight: number, { unread }: Channel): HeliosError {
  return HeliosError.of("MODULE_OVERLOADED", { name, in_flight, queued: unread });
}

/** The request was carried out. An error that says the call may be retried would make the module do it twice. */
function answerLost(name: string, request: Request): HeliosError {
  const [dependency, method] = request.type === "call" ? [request.dependency, request.method] : ["flags", "isEnabled"];
  return HeliosError.of("MODULE_ANSWER_LOST", { name, dependency, method });
}

function refusalOf(thrown: unknown): WireError {
  if (!(thrown instanceof HeliosError)) return toWire(thrown);
  const { name, message, reason } = thrown;
  // The error may repeat long names that the module gave, or list many others.
  const texts = Object.entries(thrown.metadata).map(([key, text]) => [key, cut(text, MAX_REFUSAL_TEXT)] as const);
  const metadata = Object.fromEntries(texts);
  return { name, message: cut(message, MAX_REFUSAL_TEXT), stack: "", code: reason, metadata };
}

/** Length of each text in the error of a call that a module makes; the rest is cut. @limit characters */
const MAX_REFUSAL_TEXT = 8192;
