import { toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  HealthState,
  Isolation,
  type Module as ModuleMessage,
  ModuleSchema,
  ModuleState,
} from "../../../gen/helios/v1/module_pb.ts";
import type { RegisterModuleRequest } from "../../../gen/helios/v1/module_service_pb.ts";
import {
  cut,
  type Grants,
  type Health,
  healthIntervalOf,
  type Module,
  type ModuleRecord,
  type Payload,
  type RegistrationFields,
  type Usage,
} from "../../core/index.ts";
import { fromBreakerConfig, toBreakerConfig } from "./breaker.ts";
import { fromDuration, toDuration, toStruct, toTimestamp } from "./common.ts";
import { JsonValueInit } from "./json-value.ts";
import { make, whole } from "./message.ts";
import { mapFitting, NAMES } from "./size.ts";
import { toSwapReport } from "./swap.ts";

/** The state of a module that is not stored. */
export interface Live {
  /** Calls under way. */
  readonly inFlight: number;
  /** The id of the swap that is under way. */
  readonly swapId: string | undefined;
  readonly usage: Usage | undefined;
  readonly health: Health | undefined;
}

/** Converts a module with its current state. */
export function toModule(module: Module, { inFlight, swapId = "", usage, health }: Live): ModuleMessage {
  const { name, record, revision, etag } = module;
  const { registration, lifecycle, lastSwap } = record;
  const running = runningOf(record);
  return make(ModuleSchema, {
    name,
    modulePath: registration.modulePath,
    version: registration.version || cut(running?.version ?? "", MAX_VERSION),
    // A registration of an earlier version has no assets.
    assets: [...(registration.assets ?? [])],
    dependencies: [...registration.dependencies],
    hotReloadable: registration.hotReloadable,
    isolation: Isolation[registration.isolation],
    config: toStruct(registration.config),
    envNames: Object.keys(registration.env).sort(),
    grants: toGrants(registration.grants),
    startTimeout: toDuration(registration.startTimeoutMs),
    callTimeout: toDuration(registration.callTimeoutMs),
    maxHeapMb: registration.maxHeapMb,
    concurrency: registration.concurrency,
    testSuite: registration.testSuite,
    reloadHooks: registration.reloadHooks.map(({ method, input }) => ({ method, input: toValue(input) })),
    breaker: toBreakerConfig(registration.breaker),
    fallbackModule: registration.fallbackModule,
    sha256: registration.sha256,
    pureMethods: [...registration.pureMethods],
    ...(registration.testStubs && { testStubs: toStruct(registration.testStubs) }),
    testAllowDependencies: [...(registration.testAllowDependencies ?? [])],
    blockTimeout: toDuration(registration.blockTimeoutMs),
    healthInterval: toDuration(healthIntervalOf(registration)),
    state: ModuleState[lifecycle.state],
    ...failureOf(record),
    generation: record.generation,
    runningSha256: running?.sha256 ?? "",
    methods: lifecycle.state === "LOADED" || lifecycle.state === "ACTIVE" ? shownMethods(lifecycle.running) : [],
    restarts: record.restarts,
    ...(lastSwap === undefined ? {} : { lastSwap: toSwapReport(lastSwap) }),
    ...(running === undefined ? {} : { loadTime: toTimestamp(running.loadTime) }),
    inFlight: inFlight,
    artifact: running?.artifact ?? "",
    configVersion: record.configVersion,
    swapId,
    ...(record.bake === undefined ? {} : { bakeUntil: toTimestamp(record.bake.until) }),
    standbyEnd: record.bake?.standbyEnd ?? "",
    ...(usage === undefined ? {} : { usage: toUsage(usage) }),
    ...(health === undefined ? {} : { health: toHealth(health) }),
    revision: whole(revision),
    etag,
    createTime: toTimestamp(module.createTime),
    updateTime: toTimestamp(module.updateTime),
  });
}

/** Length of the version that a module's class declares, as it is shown; the rest is cut. @limit characters */
const MAX_VERSION = 256;
/** Size of the names of a module's methods that are shown; further ones are omitted. @limit bytes */
const METHODS_BYTES = 128 * 1024;

function shownMethods({ methods }: { readonly methods: readonly string[] }): string[] {
  return mapFitting(methods, NAMES, METHODS_BYTES);
}

function runningOf({ lifecycle }: ModuleRecord) {
  if ("running" in lifecycle) return lifecycle.running;
  return lifecycle.state === "FAILED" ? lifecycle.last : undefined;
}

function failureOf({ lifecycle }: ModuleRecord) {
  if (!("failure" in lifecycle) || lifecycle.failure === undefined) return {};
  const { step, message, stack = "", time } = lifecycle.failure;
  return { failure: { step, message, stack, time: toTimestamp(time) } };
}

function toGrants({ fsRead, fsWrite, net, childProcess }: Grants) {
  return { fsRead: [...fsRead], fsWrite: [...fsWrite], net, childProcess };
}

function toUsage({ heapUsedBytes, externalBytes, eventLoopUtilization }: Usage) {
  return { heapUsedBytes: whole(heapUsedBytes), externalBytes: whole(externalBytes), eventLoopUtilization };
}

function toHealth({ state, message, since, checkTime }: Health) {
  return {
    state: HealthState[state],
    message,
    ...(state === "UNKNOWN" ? {} : { since: toTimestamp(since), checkTime: toTimestamp(checkTime) }),
  };
}

/** Returns the fields of a registration. Absent fields stay absent. */
export function fromRegistration(request: RegisterModuleRequest): RegistrationFields {
  const { modulePath, version, assets, dependencies, config, env, sha256, grants, testSuite, fallbackModule } = request;
  return {
    modulePath,
    version,
    assets,
    dependencies,
    hotReloadable: request.hotReloadable,
    isolation: request.isolation === Isolation.THREAD ? "THREAD" : "PROCESS",
    config: config ?? {},
    env,
    sha256,
    grants: grants && {
      fsRead: grants.fsRead,
      fsWrite: grants.fsWrite,
      net: grants.net,
      childProcess: grants.childProcess,
    },
    startTimeoutMs: fromDuration(request.startTimeout),
    callTimeoutMs: fromDuration(request.callTimeout),
    maxHeapMb: request.maxHeapMb,
    concurrency: request.concurrency,
    testSuite,
    pureMethods: request.pureMethods,
    testStubs: request.testStubs as RegistrationFields["testStubs"],
    testAllowDependencies: request.testAllowDependencies,
    blockTimeoutMs: fromDuration(request.blockTimeout),
    healthIntervalMs: fromDuration(request.healthInterval),
    reloadHooks: request.reloadHooks.map(({ method, input }) => ({
      method,
      input: input === undefined ? null : toJson(ValueSchema, input),
    })),
    breaker: request.breaker && fromBreakerConfig(request.breaker),
    fallbackModule,
  };
}

type PayloadMessage =
  | { readonly case: "json"; readonly value: Parameters<typeof toJson<typeof ValueSchema>>[1] }
  | { readonly case: "binary"; readonly value: Uint8Array }
  | { readonly case: undefined; readonly value?: undefined };

export function fromPayload(payload: PayloadMessage): Payload {
  if (payload.case === "binary") return { binary: payload.value };
  return { json: payload.case === undefined ? null : toJson(ValueSchema, payload.value) };
}

export function toPayload(payload: Payload) {
  if ("binary" in payload) return { case: "binary" as const, value: payload.binary };
  return { case: "json" as const, value: toValue(payload.json) };
}

const toValue = (json: unknown): JsonValueInit => new JsonValueInit(json ?? null);
