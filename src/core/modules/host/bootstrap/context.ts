import type { FlagContext, ModuleContext, ModuleLog } from "../../api.ts";
import type { Payload } from "../host.ts";
import type { StartMessage, WireError } from "../protocol.ts";
import { assetsOf } from "./assets.ts";
import { toJson } from "./json.ts";
import type { Link } from "./link.ts";
import { fromWire } from "./wire.ts";

/** The module's context, and what the service answers to it. */
export interface Context {
  readonly ctx: ModuleContext;
  answer(id: number, value: unknown): void;
  refuse(id: number, error: WireError): void;
  /** The instance is to stop. */
  abort(): void;
}

/** `callInProgress`: the id of the call that the running code helps to answer; 0: none. */
export function createContext(
  { name, version, config, assets }: StartMessage,
  link: Link,
  callInProgress: () => number,
): Context {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const stopping = new AbortController();
  let lastId = 0;

  const ask = (message: (id: number) => Parameters<Link["send"]>[0]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      try {
        link.send(message(lastId));
      } catch (error) {
        waiting.delete(lastId);
        reject(error);
      }
    });

  const log =
    (level: keyof ModuleLog) =>
    (message: string, fields: Record<string, unknown> = {}) => {
      link.send({ type: "log", level, message: String(message), fields: plain(fields) });
    };

  const ctx: ModuleContext = {
    name,
    version,
    config,
    assets: assetsOf(assets),
    log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    flags: {
      isEnabled: async (flag: string, context: FlagContext = {}) =>
        (await ask((id) => ({ type: "flag", id, name: flag, context: { ...context } }))) === true,
    },
    call: async (dependency, method, input) =>
      ask((id) => {
        const within = callInProgress();
        return { type: "call", id, dependency, method, input: toPayload(input), within };
      }).then(fromPayload),
    signal: stopping.signal,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
  };
  const settle = (id: number) => {
    const settled = waiting.get(id);
    waiting.delete(id);
    return settled;
  };
  return {
    ctx: Object.freeze(ctx),
    answer: (id, value) => settle(id)?.resolve(value),
    refuse: (id, error) => settle(id)?.reject(fromWire(error)),
    abort: () => stopping.abort(),
  };
}

export function toPayload(value: unknown): Payload {
  return value instanceof Uint8Array ? { binary: value } : { json: toJson(value) };
}

export function fromPayload(payload: unknown): unknown {
  const { json, binary } = payload as { json?: unknown; binary?: Uint8Array };
  return binary ?? json;
}

/** Fields of a log entry as they can be sent; what cannot be is told as text. */
function plain(fields: Record<string, unknown>): Record<string, unknown> {
  try {
    return toJson(fields) as Record<string, unknown>;
  } catch {
    return { fields: String(fields) };
  }
}
