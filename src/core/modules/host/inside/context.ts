import type { FlagContext, ModuleContext, ModuleLog } from "../../api.ts";
import type { Payload } from "../types/host.ts";
import { toJson } from "../values/json.ts";
import type { WireError } from "../values/wire-error.ts";
import { fromWire } from "../values/wire-error.ts";
import type { StartMessage } from "../wire/protocol.ts";
import type { Duty } from "./duty.ts";
import type { Link } from "./link.ts";
import { assetsOf } from "./load/assets.ts";
import { toLogFields, toLogMessage } from "./log.ts";

/** The module's context, and the handling of the service's answers to it. */
export interface Context {
  readonly ctx: ModuleContext;
  answer(id: number, value: unknown): void;
  refuse(id: number, error: WireError): void;
  /** Ids of the module's calls that have not been answered. */
  readonly calls: ReadonlySet<number>;
  /** From now on, delays the module's own calls: those that do not help to answer a call in progress. */
  hold(): void;
  /** Sends the delayed calls, and delays no more. */
  release(): void;
  /** Aborts the context's signal, because the instance is to stop. */
  abort(): void;
}

export interface ContextOptions {
  /** The id of the call that the running code helps to answer, 0 if there is no such call, or `EXPORTING`. */
  readonly callInProgress: () => number;
  readonly duty: Pick<Duty, "onServe" | "onRetire">;
  /** Called when one of the module's calls was answered. */
  readonly onAnswered: () => void;
  /** Called with each error with which the service refuses a call because the module may not act. */
  readonly onRefused: (error: Error) => void;
}

/** Used in the place of a call's id while the module exports its state. */
export const EXPORTING = -1;

/** Errors about the module's position in a swap or a test. They do not mean that something went wrong. */
const REFUSALS: ReadonlySet<string | undefined> = new Set([
  "MODULE_FENCED",
  "DEPENDENCY_NOT_STUBBED",
  "SERVER_DRAINING",
]);

export function createContext(
  { name, version, config, assets }: StartMessage,
  link: Link,
  { callInProgress, duty, onAnswered, onRefused }: ContextOptions,
): Context {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const calls = new Set<number>();
  const held: (() => void)[] = [];
  let isHeld = false;
  const stopping = new AbortController();
  let lastId = 0;

  const ask = (message: (id: number) => Parameters<Link["send"]>[0]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      try {
        link.send(message(lastId));
      } catch (error) {
        settle(lastId);
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
    async call(dependency, method, input) {
      const call = { dependency: asText("dependency", dependency), method: asText("method", method) };
      const payload = toPayload(input, "input");
      const within = callInProgress();
      if (isHeld && within === 0) await new Promise<void>((resolve) => held.push(resolve));
      const answer = await ask((id) => {
        calls.add(id);
        return { type: "call", id, ...call, input: payload, within: Math.max(0, within) };
      });
      return fromPayload(answer);
    },
    onServe: duty.onServe,
    onRetire: duty.onRetire,
    signal: stopping.signal,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
  };
  const settle = (id: number) => {
    const settled = waiting.get(id);
    waiting.delete(id);
    if (calls.delete(id)) onAnswered();
    return settled;
  };
  return {
    ctx: Object.freeze(ctx),
    answer: (id, value) => settle(id)?.resolve(value),
    refuse(id, wire) {
      const error = fromWire(wire);
      if (REFUSALS.has(wire.code)) onRefused(error);
      settle(id)?.reject(error);
    },
    calls,
    hold() {
      isHeld = true;
    },
    release() {
      isHeld = false;
      for (const resolve of held.splice(0)) resolve();
    },
    abort: () => stopping.abort(),
  };
}

/** Converts a value so that it can be sent. `root` names the value in error messages. */
export function toPayload(value: unknown, root: string): Payload {
  return value instanceof Uint8Array ? { binary: value } : { json: toJson(value, root) };
}

export function fromPayload(payload: unknown): unknown {
  const { json, binary } = payload as { json?: unknown; binary?: Uint8Array };
  return binary ?? json;
}

/** Throws here, because the service would ignore a message with another type, and never answer it. */
function asText(what: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(
    `${what} must be a string, but is ${value === null ? "null" : `a value of type ${typeof value}`}`,
  );
}

function asMembers(what: string, value: unknown): Record<string, unknown> {
  const members = toJson(value, what);
  if (typeof members === "object" && members !== null && !Array.isArray(members)) {
    return members as Record<string, unknown>;
  }
  throw new TypeError(`${what} must be an object`);
}
