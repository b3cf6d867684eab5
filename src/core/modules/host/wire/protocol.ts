import type { LogLevel } from "../../../log.ts";
import type { ArtifactFile } from "../artifact/artifact.ts";
import type { InstanceKind, InstanceShape, Payload, StateSource, Usage } from "../types/host.ts";
import type { WireError } from "../values/wire-error.ts";

// What the service and an instance say to each other, the same over a process's channel and a thread's port.

/** What the bootstrap needs to bring a module to life. */
export interface StartMessage {
  readonly type: "start";
  readonly kind: InstanceKind;
  readonly name: string;
  readonly version: string;
  readonly defaultVersion: string;
  /** The modules root, absolute: where the code says that it is. Nothing is read there. */
  readonly root: string;
  /** Path of the file to import, from the root. */
  readonly entry: string;
  /** All code of the module below the root. */
  readonly files: readonly ArtifactFile[];
  /** Other code is imported from below these alone. */
  readonly readable: readonly string[];
  /** Where its assets lie, and their paths from there. The code says that it is there, too. Undefined: it has none. */
  readonly assets: { readonly directory: string; readonly paths: readonly string[] } | undefined;
  readonly config: Readonly<Record<string, unknown>>;
}

export type LifecycleMethod = "health" | "stop";

/**
 * What the service has an instance do where the quiet moment that it asked for has not come, in this order:
 * - `hold later calls`, after 100 ms, or after half of the time that it waits, if that is less: once those of the module's
 *   own calls are answered that were under way when it asked, its further ones are held.
 * - `hold`, after half of that time: its further ones are held from now on.
 * - `take`, after `forceMs`, where that was given: what was to be done in that moment is done now, whatever is under way.
 */
export type Pressure = "hold later calls" | "hold" | "take";

/** It serves from now on, serves no more, or goes on after its state was asked for in vain. */
export interface DutyMessage {
  readonly type: "duty";
  readonly duty: "serve" | "retire" | "resume";
}

/** What somebody waits for. */
interface Awaited {
  readonly id: number;
  /** Machine time from which nobody does any more: what has not begun by then is dropped. */
  readonly deadline: number;
}

export type ToInstance =
  | StartMessage
  | (Awaited & { readonly type: "call"; readonly method: string; readonly input: Payload })
  | (Awaited & { readonly type: "lifecycle"; readonly method: LifecycleMethod; readonly args: readonly unknown[] })
  | (Awaited & { readonly type: "import"; readonly state: Uint8Array; readonly from: StateSource })
  | (Awaited & { readonly type: "usage"; readonly collect: boolean })
  /** Waits until nothing is under way, and exports the state in that moment, if it is asked to. */
  | (Awaited & { readonly type: "quiet"; readonly exports: boolean })
  /** No such moment has come for so long that this is to be done. */
  | { readonly type: "press"; readonly id: number; readonly how: Pressure }
  | DutyMessage
  | { readonly type: "ping" }
  | { readonly type: "cancel"; readonly id: number; readonly reason: string }
  | { readonly type: "answer"; readonly id: number; readonly value: Payload }
  | { readonly type: "refusal"; readonly id: number; readonly error: WireError };

export type StartStep = "import" | "construct" | "start";

export type FromInstance =
  | { readonly type: "step"; readonly step: StartStep }
  | { readonly type: "ready"; readonly shape: InstanceShape }
  | { readonly type: "invalid"; readonly problem: string }
  | { readonly type: "failed"; readonly error: WireError }
  /** Of a call. */
  | { readonly type: "output"; readonly id: number; readonly output: Payload }
  /** Of a call whose answer nobody waits for any more; what it was is not read. */
  | { readonly type: "late"; readonly id: number }
  /** Of `exportState`: a structured clone, which only another instance reads. */
  | { readonly type: "state"; readonly id: number; readonly state: Uint8Array }
  /** Of everything else that was asked for. */
  | { readonly type: "result"; readonly id: number; readonly value: unknown }
  | { readonly type: "error"; readonly id: number; readonly error: WireError }
  /** Of what was over before it began: it does not begin. */
  | { readonly type: "dropped"; readonly id: number }
  | { readonly type: "pong"; readonly usage: Usage }
  | { readonly type: "spawned"; readonly pid: number }
  | {
      readonly type: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Record<string, unknown>;
    }
  | {
      readonly type: "call";
      readonly id: number;
      readonly dependency: string;
      readonly method: string;
      readonly input: Payload;
      /** The call that it helps to answer; 0: none. */
      readonly within: number;
    }
  | { readonly type: "flag"; readonly id: number; readonly name: string; readonly context: Record<string, unknown> }
  | { readonly type: "fatal"; readonly error: WireError };

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === "string";
const number: Check = (value) => typeof value === "number" && Number.isSafeInteger(value);
const scalar: Check = (value) => typeof value === "string" || typeof value === "number";
const object: Check = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const anything: Check = () => true;
const oneOf =
  (...values: unknown[]): Check =>
  (value) =>
    values.includes(value);
const error: Check = (value) => {
  const { name, message, stack, code, fields, cause } = (object(value) ? value : {}) as Partial<WireError>;
  const more = [code, fields, cause].every((one) => one === undefined || text(one));
  return text(name) && text(message) && text(stack) && more;
};
/** What a call takes or gives. Who finds bytes in it looks no further: they have to be some. */
const payload: Check = (value) =>
  object(value) &&
  ("binary" in (value as object)
    ? (value as { binary: unknown }).binary instanceof Uint8Array
    : "json" in (value as object));
const shape: Check = (value) => {
  const {
    methods,
    version,
    hasHealth,
    hasState,
    stateSchema,
    pureMethods = [],
  } = (object(value) ? value : {}) as Partial<InstanceShape>;
  const flags = typeof hasHealth === "boolean" && typeof hasState === "boolean";
  const told = (version === undefined || text(version)) && (stateSchema === undefined || scalar(stateSchema));
  const names = [methods, pureMethods].every((list) => Array.isArray(list) && list.every(text));
  return names && told && flags;
};
const usage: Check = (value) => {
  const { heapUsedBytes, externalBytes, eventLoopUtilization } = (object(value) ? value : {}) as Partial<Usage>;
  return [heapUsedBytes, externalBytes, eventLoopUtilization].every(Number.isFinite);
};

const SHAPES: Readonly<Record<FromInstance["type"], Readonly<Record<string, Check>>>> = {
  step: { step: oneOf("import", "construct", "start") },
  ready: { shape },
  invalid: { problem: text },
  failed: { error },
  output: { id: number, output: payload },
  late: { id: number },
  state: { id: number, state: (value) => value instanceof Uint8Array },
  result: { id: number, value: anything },
  error: { id: number, error },
  dropped: { id: number },
  pong: { usage },
  spawned: { pid: number },
  log: { level: oneOf("debug", "info", "warn", "error"), message: text, fields: object },
  call: { id: number, dependency: text, method: text, input: payload, within: number },
  flag: { id: number, name: text, context: object },
  fatal: { error },
};

const CHECKS: ReadonlyMap<unknown, readonly (readonly [string, Check])[]> = new Map(
  Object.entries(SHAPES).map(([type, fields]) => [type, Object.entries(fields)]),
);

/** What an instance sent, if it is of the protocol: a module can reach its channel and send anything. */
export function fromInstance(value: unknown): FromInstance | undefined {
  if (!object(value)) return undefined;
  const message = value as Record<string, unknown>;
  const checks = CHECKS.get(message.type);
  if (checks === undefined) return undefined;
  for (const [field, check] of checks) if (!check(message[field])) return undefined;
  return value as FromInstance;
}
