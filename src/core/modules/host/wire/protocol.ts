import type { LogLevel } from "../../../log.ts";
import type { ArtifactFile } from "../artifact/artifact.ts";
import type { InstanceKind, InstanceShape, Payload, StateSource, Usage } from "../types/host.ts";
import type { WireError } from "../values/wire-error.ts";

// The messages between the service and an instance. They are the same for a process and a thread.

/** Everything that the bootstrap needs to start a module. */
export interface StartMessage {
  readonly type: "start";
  readonly kind: InstanceKind;
  readonly name: string;
  readonly version: string;
  readonly defaultVersion: string;
  /** The modules root, absolute. The code appears to be there, but nothing is read from there. */
  readonly root: string;
  /** Path of the entry file from the root. */
  readonly entry: string;
  /** All code of the module below the root. */
  readonly files: readonly ArtifactFile[];
  /** Directories from which other code may be imported. */
  readonly readable: readonly string[];
  /**
   * Directory of the assets, and their paths in it. The code appears to be there, too. Undefined: the module has no assets.
   */
  readonly assets: { readonly directory: string; readonly paths: readonly string[] } | undefined;
  readonly config: Readonly<Record<string, unknown>>;
}

export type LifecycleMethod = "health" | "stop";

/**
 * Measures that the service orders if the quiet moment has not come. They follow in this order:
 * - `hold later calls`, after 100 ms or half of the timeout, whichever is shorter: once the calls that were in progress at
 *   the request are answered, further calls of the module's own are delayed.
 * - `hold`, after half of the timeout: further calls of the module's own are delayed from now on.
 * - `take`, after `forceMs`, if that was given: the work is done now, even if the moment is not quiet.
 */
export type Pressure = "hold later calls" | "hold" | "take";

/**
 * `serve`: the instance serves from now on. `retire`: it does not serve any more. `resume`: it continues to serve, because
 * its exported state was not used.
 */
export interface DutyMessage {
  readonly type: "duty";
  readonly duty: "serve" | "retire" | "resume";
}

/** A request with an answer. */
interface Awaited {
  readonly id: number;
  /** Machine time in ms. A request that has not begun by then is dropped, because nobody waits for the answer any more. */
  readonly deadline: number;
}

export type ToInstance =
  | StartMessage
  | (Awaited & { readonly type: "call"; readonly method: string; readonly input: Payload })
  | (Awaited & { readonly type: "lifecycle"; readonly method: LifecycleMethod; readonly args: readonly unknown[] })
  | (Awaited & { readonly type: "import"; readonly state: Uint8Array; readonly from: StateSource })
  | (Awaited & { readonly type: "usage"; readonly collect: boolean })
  /** Waits for a quiet moment, and exports the state in it if `exports` is true. */
  | (Awaited & { readonly type: "quiet"; readonly exports: boolean })
  /** The quiet moment has not come, so the measure `how` is due. */
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
  /** The answer of a call. */
  | { readonly type: "output"; readonly id: number; readonly output: Payload }
  /** The answer of a call that nobody waits for any more. Its content is not read. */
  | { readonly type: "late"; readonly id: number }
  /** The answer of `exportState`: a structured clone, which only another instance decodes. */
  | { readonly type: "state"; readonly id: number; readonly state: Uint8Array }
  /** The answer of any other request. */
  | { readonly type: "result"; readonly id: number; readonly value: unknown }
  | { readonly type: "error"; readonly id: number; readonly error: WireError }
  /** The request did not begin, because its deadline had passed or it was cancelled. */
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
      /** Id of the call that this call helps to answer. 0: there is no such call. */
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
/** Input or output of a call. A reader that finds the member `binary` relies on it to be bytes. */
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
  const optional = (version === undefined || text(version)) && (stateSchema === undefined || scalar(stateSchema));
  const names = [methods, pureMethods].every((list) => Array.isArray(list) && list.every(text));
  return names && optional && flags;
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

/**
 * Returns a message of an instance, or undefined if it does not follow the protocol. A module can reach its channel and
 * send anything.
 */
export function fromInstance(value: unknown): FromInstance | undefined {
  if (!object(value)) return undefined;
  const message = value as Record<string, unknown>;
  const checks = CHECKS.get(message.type);
  if (checks === undefined) return undefined;
  for (const [field, check] of checks) if (!check(message[field])) return undefined;
  return value as FromInstance;
}
