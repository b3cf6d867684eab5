import { HeliosError } from "../../errors.ts";
import { toWire } from "./bootstrap/wire.ts";
import type { Channel } from "./channel.ts";
import type { InstanceServices } from "./host.ts";
import type { FromInstance } from "./protocol.ts";

type Request = Extract<FromInstance, { type: "call" | "flag" }>;

/** Does what a module asks of the service, from its start on, and sends it what came of it; `gone`: it has ended. */
export function createRequests(
  services: InstanceServices,
  channel: () => Channel,
  gone: AbortSignal,
  originOf: (callId: number) => unknown,
): (request: Request) => Promise<void> {
  const work = (request: Request): unknown =>
    request.type === "flag"
      ? services.isFlagEnabled(request.name, request.context)
      : services.call(request.dependency, request.method, request.input, {
          signal: gone,
          origin: originOf(request.within),
        });
  return async (request) => {
    const { id } = request;
    try {
      channel().send({ type: "answer", id, value: await work(request) });
    } catch (thrown) {
      const error = { ...toWire(thrown), ...(thrown instanceof HeliosError ? { code: thrown.reason } : {}) };
      channel().send({ type: "refusal", id, error });
    }
  };
}
