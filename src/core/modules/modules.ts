import type { Breakers } from "../breakers/breakers.ts";
import type { By } from "../change.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { Collection, type Delta } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import type { Hub } from "../watch/hub.ts";
import { bringDesiredUp, forgetRuns } from "./boot.ts";
import { follow } from "./follow.ts";
import { createGenerations, type FlagReader } from "./generations.ts";
import type { ModuleHost, Payload } from "./host/host.ts";
import { createInstall, type ModulesSource } from "./install.ts";
import { type LoadOptions, loadModule } from "./load.ts";
import { Operations } from "./operations.ts";
import type { Module, ModuleRecord, RegistrationFields } from "./record.ts";
import { createRegistrar, type RegisterOptions } from "./register.ts";
import type { Candidate, Gate, SwapResult } from "./replace.ts";
import { getModule, type Room, runningGeneration, verified } from "./room.ts";
import { type Answer, createRouter, type InvokeOptions, notLoaded } from "./router.ts";
import { createSupervisor, type Supervisor } from "./supervise.ts";
import { reloading, type SwapOptions, swapModule } from "./swap.ts";
import { type UnloadOptions, unloadModule } from "./unload.ts";
import { createWarmUp, type ReloadHookFunction } from "./warm-up.ts";

export interface ModulesDeps {
  /** Not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly log: Log;
  /** Closed by whoever made it, after the modules. */
  readonly host: ModuleHost;
  readonly breakers: Breakers;
  readonly flags: FlagReader;
  /** What is registered and loaded where the store holds no module. */
  readonly modulesFile: ModulesSource;
}

/**
 * The modules. One operation at a time on each: another is MODULE_BUSY. Mutations resolve when what they changed is
 * durable; all of them can reject with MODULE_NOT_FOUND, ETAG_MISMATCH (where `by.etag` is given), STORE_UNAVAILABLE and,
 * after `close`, SERVER_DRAINING.
 */
export interface Modules {
  readonly hub: Hub<Delta<ModuleRecord>, Module>;
  /**
   * After the feed was started: registers what the modules file says where the store is empty, and begins to start what
   * is to run. MODULES_FILE_INVALID; nothing is registered then.
   */
  start(): Promise<void>;
  /** Resolves when each module that is to run does, or is known to have failed. */
  readonly settled: Promise<void>;
  readonly isSettled: boolean;
  /**
   * Registers a module; nothing is started. The same content again changes nothing. ARGUMENT_INVALID,
   * MODULE_ALREADY_EXISTS (`differences` names the fields), MODULE_PATH_OUTSIDE_ROOT, MODULE_FILE_NOT_FOUND,
   * MODULE_INVALID, MODULE_DIGEST_MISMATCH, MODULE_DEPENDENCY_CYCLE.
   */
  register(name: string, fields: RegistrationFields, options?: RegisterOptions, by?: By): Promise<Module>;
  /** MODULE_NOT_FOUND. */
  get(name: string): Module;
  /** By name. */
  list(): readonly Module[];
  /** Calls under way. */
  inFlight(name: string): number;
  /** Forgets a module that is UNLOADED or FAILED, and its breaker: else MODULE_STATE_CONFLICT. MODULE_HAS_DEPENDENTS. */
  remove(name: string, by?: By): Promise<{ readonly module: Module; readonly revision: number }>;
  /**
   * Starts a module and gives it traffic. MODULE_DEPENDENCY_NOT_LOADED, MODULE_LOAD_FAILED, what is wrong with its file;
   * with `forceReload` MODULE_NOT_HOT_RELOADABLE: what ran before serves on then.
   */
  load(name: string, options?: LoadOptions, by?: By): Promise<Module>;
  /** Stops a module after the calls under way. `unloaded`: all that were, in order. MODULE_HAS_DEPENDENTS. */
  unload(
    name: string,
    options?: UnloadOptions,
    by?: By,
  ): Promise<{ readonly module: Module; readonly unloaded: readonly string[] }>;
  /**
   * Replaces the version that serves. What fails before the switch is told in the result, and the old version serves on;
   * rejects with MODULE_STATE_CONFLICT, MODULE_NOT_HOT_RELOADABLE and what is wrong with the path. No call fails by it.
   */
  swap(name: string, options?: SwapOptions, by?: By): Promise<SwapResult>;
  /**
   * Calls a method, as the class spells it or in snake_case. MODULE_NOT_LOADED, MODULE_METHOD_NOT_FOUND,
   * MODULE_METHOD_FAILED, MODULE_DEADLINE_EXCEEDED, MODULE_CRASHED, MODULE_OVERLOADED, BREAKER_OPEN.
   */
  invoke(name: string, method: string, input: Payload, options?: InvokeOptions): Promise<Answer>;
  /**
   * Calls `hook` with each new instance that is to take the place of another, before it takes traffic; what it throws
   * keeps the old one serving. The module may be registered later. What is returned takes the hook off again.
   */
  addReloadHook(name: string, hook: ReloadHookFunction): () => void;
  /** Gives swaps the means to run a suite; without, no suite is run. */
  useGate(gate: Gate): void;
  /** Starts an instance apart from the one that serves, as registered; the caller stops it. As `load` rejects. */
  startFresh(name: string): Promise<Candidate>;
  /** The instance that serves: calls of it pass by limits and breaker. MODULE_NOT_LOADED. */
  activeInstance(name: string): Candidate;
  /** Stops every instance, by force after a deadline. What is to run after a restart stays as it is. */
  close(): Promise<void>;
}

export function createModules({ feed, clock, log, host, breakers, flags, modulesFile }: ModulesDeps): Modules {
  const collection = new Collection<ModuleRecord>(feed, "module/");
  const operations = new Operations();
  const router = createRouter(collection, breakers, clock);
  let closing = false;
  const generations = createGenerations({
    clock,
    log,
    host,
    flags,
    router,
    onCrash: (name, generation) => supervisor.crashed(name, generation),
  });
  const isClosing = (): boolean => closing;
  const room: Room = { clock, log, host, breakers, collection, operations, router, generations, isClosing };
  const supervisor: Supervisor = createSupervisor(room);
  const registrar = createRegistrar(room);
  const install = createInstall(feed, room, modulesFile);
  const warmUp = createWarmUp();
  let gate: Gate | undefined;
  const tools = { warmUp, gate: () => gate };
  const settled = Promise.withResolvers<void>();
  let isSettled = false;

  collection.onChange((delta) => {
    const { name, revision, cause, resource } = delta;
    log("modules", "info", "module changed", { name, revision, ...cause, state: resource?.record.lifecycle.state });
    follow(delta, router, generations, supervisor);
  });

  return {
    hub: collection.hub,
    settled: settled.promise,
    get isSettled() {
      return isSettled;
    },
    async start() {
      await install();
      await forgetRuns(room);
      void bringDesiredUp(room).then(() => {
        isSettled = true;
        settled.resolve();
      });
    },
    register: (name, fields, options = {}, by) => registrar.register(name, fields, options, by),
    get: (name) => getModule(room, name),
    list: () => collection.list(),
    inFlight: (name) => router.inFlight(name),
    async remove(name, by) {
      const module = await registrar.remove(name, by);
      return { module, revision: feed.revision };
    },
    async load(name, options = {}, by) {
      const module = await loadModule(room, reloading(room, tools), name, options, by);
      supervisor.forgive(name);
      return module;
    },
    unload: async (name, options = {}, by) => unloadModule(room, name, options, by),
    swap: (name, options = {}, by) => swapModule(room, tools, name, options, by),
    invoke: (name, method, input, options) => router.invoke(name, method, input, options),
    addReloadHook: (name, hook) => warmUp.add(name, hook),
    useGate: (next) => {
      gate = next;
    },
    async startFresh(name) {
      const { registration } = getModule(room, name).record;
      const module = await verified(room, registration.modulePath, registration.sha256);
      const version = (ofClass: string | undefined): string => registration.version || (ofClass ?? "0.0.0");
      const started = await generations.startApart(name, { registration, module, version });
      return { name, ...started, sha256: module.sha256 };
    },
    activeInstance(name) {
      const module = getModule(room, name);
      const generation = runningGeneration(room, module);
      if (generation === undefined || module.record.lifecycle.state !== "ACTIVE") throw notLoaded(module);
      const { version, sha256 } = generation.running;
      return { name, instance: generation.instance, version, sha256 };
    },
    async close() {
      closing = true;
      supervisor.close();
      router.close();
      const idle = operations.close();
      await generations.close();
      await idle;
    },
  };
}
