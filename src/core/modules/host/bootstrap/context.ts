import type { FlagContext, ModuleContext, ModuleLog } from "../../api.ts";
import type { Payload } from "../host.ts";
import type { StartMessage, WireError } from "../protocol.ts";
import { assetsOf } from "./assets.ts";
import { toJson } from "./json.ts";
import type { Link } from "./link.ts";
import { toLogFields, toLogMessage } from "./log.ts";
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

  const log = (level: keyof ModuleLog) => (message: string, fields?: Record<string, unknown>) => {
    link.send({ type: "log", level, message: toLogMessage(message), fields: toLogFields(fields) });
  };

  const ctx: ModuleContext = {
    name,
    version,
    config,
    assets: assetsOf(assets),
    log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    flags: {
      isEnabled: async (flag: string, context: FlagContext = {}) => {
        const message = { type: "flag", name: asText("flag", flag), context: asMembers("context", context) } as const;
        return fromPayload(await ask((id) => ({ ...message, id }))) === true;
      },
    },
    call: async (dependency, method, input) =>
      ask((id) => ({
        type: "call",
        id,
        dependency: asText("dependency", dependency),
        method: asText("method", method),
        input: toPayload(input, "input"),
        within: callInProgress(),
      })).then(fromPayload),
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

/** `root` is what a value that cannot be sent is called. */
export function toPayload(value: unknown, root: string): Payload {
  return value instanceof Uint8Array ? { binary: value } : { json: toJson(value, root) };
}

export function fromPayload(payload: unknown): unknown {
  const { json, binary } = payload as { json?: unknown; binary?: Uint8Array };
  return binary ?? json;
}

/** Something else would be no message of the protocol, and never be answered. */
function asText(what: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(`${what} is ${value === null ? "null" : `a value of type ${typeof value}`}, not a text`);
}

function asMembers(what: string, value: unknown): Record<string, unknown> {
  const members = toJson(value, what);
  if (typeof members === "object" && members !== null && !Array.isArray(members)) {
    return members as Record<string, unknown>;
  }
  throw new TypeError(`${what} is no object`);
}
