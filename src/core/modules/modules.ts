import type { Clock } from "../../kernel/clock.ts";
import type { Breakers } from "../breakers/types.ts";
import type { By } from "../change.ts";
import { HeliosError } from "../errors/error.ts";
import { refuse } from "../errors/violation.ts";
import type { FlagPasts } from "../flags/switched-off.ts";
import type { SourceFile } from "../json/source-file.ts";
import type { Log } from "../log.ts";
import { Collection, type Delta } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import type { Hub } from "../watch/hub.ts";
import type { Answer, InvokeOptions } from "./calls/call.ts";
import type { Health } from "./calls/generation/health.ts";
import { BARE_TEST, type Trial } from "./calls/generation/trial.ts";
import { createGenerations, type FlagReader } from "./calls/generations.ts";
import { createKeyedCalls } from "./calls/keyed/keyed-calls.ts";
import { createRouter, notLoaded } from "./calls/router.ts";
import { createUpcoming } from "./calls/upcoming.ts";
import type { Instance, ModuleHost, Payload, ResolvedModule, Usage } from "./host/types/host.ts";
import { getModule, type OperationContext, runningGeneration, verified } from "./operations/context.ts";
import { Operations } from "./operations/exclusive.ts";
import { createHotReload } from "./operations/freeze.ts";
import { createInstall } from "./operations/install.ts";
import { type GenerationView, listGenerations } from "./operations/list-generations.ts";
import { type LoadOptions, loadModule } from "./operations/load.ts";
import { createRegistrar, type RegisterOptions } from "./operations/register.ts";
import { sweepArtifacts } from "./operations/sweep.ts";
import { type UnloadOptions, unloadModule } from "./operations/unload.ts";
import type { Module, ModuleRecord, RegistrationFields } from "./record/record.ts";
import { withDefaults } from "./record/registration.ts";
import { assetsViolation } from "./record/validate.ts";
import { pathViolation } from "./record/validate-parts.ts";
import { bringDesiredUp, forgetRuns } from "./supervision/boot.ts";
import { follow } from "./supervision/follow.ts";
import { noteHealth } from "./supervision/note-health.ts";
import { createSupervisor, type Supervisor } from "./supervision/supervise.ts";
import { recoverSwaps } from "./swap/recover.ts";
import { resultOf, type SwapResult } from "./swap/report.ts";
import { createReturns } from "./swap/returns.ts";
import { type RollbackOptions, rollBack } from "./swap/rollback.ts";
import type { SwapListener } from "./swap/state/events.ts";
import { createJournal } from "./swap/state/journal.ts";
import type { ModuleSwapOptions, SwapOptions, SwapTermsOptions } from "./swap/state/swap-options.ts";
import { flip } from "./swap/steps/commit.ts";
import { type Candidate, candidateOf, type Gate } from "./swap/steps/gate.ts";
import { createWarmUp, type ReloadHookFunction } from "./swap/steps/warm-up.ts";
import { type GroupSwapResult, reloading, swapModule, swapModules } from "./swap/swap.ts";
import { createSwaps } from "./swap/swaps.ts";
import type { FileActions } from "./watching/file-module.ts";
import { type ModuleWatch, watchModules } from "./watching/watch-modules.ts";

export interface ModulesDeps {
  /** A feed that was not started yet. */
  readonly feed: Feed;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Log;
  /** The caller must close it, after the modules. */
  readonly host: ModuleHost;
  readonly breakers: Breakers;
  readonly flags: FlagReader & FlagPasts;
  /** The modules that are registered and loaded if the store contains no module. */
  readonly modulesFile: SourceFile;
  /** Whether running modules are swapped when their files change. Default: false. */
  readonly watchFiles?: boolean | undefined;
}

/**
 * The modules. Only one operation at a time runs on each module. A second one rejects with MODULE_BUSY. Mutations resolve when
 * their change is durable. All of them can reject with MODULE_NOT_FOUND, ETAG_MISMATCH (if `by.etag` is set),
 * STORE_UNAVAILABLE and, after `close`, SERVER_DRAINING.
 */
export interface Modules {
  readonly hub: Hub<Delta<ModuleRecord>, Module>;
  /**
   * Must be called after the feed was started. If the store is empty, registers the modules of the modules file. Then begins
   * to start the modules that are to run. Rejects with MODULES_FILE_INVALID, and registers nothing then.
   */
  start(): Promise<void>;
  /** Resolves when each module that is to run has started or failed. */
  readonly settled: Promise<void>;
  readonly isSettled: boolean;
  /**
   * Registers a module, without starting it. Registering the same content again changes nothing. Rejects with
   * ARGUMENT_INVALID, MODULE_ALREADY_EXISTS (`differences` names the fields), MODULE_PATH_OUTSIDE_ROOT,
   * MODULE_FILE_NOT_FOUND, MODULE_INVALID, MODULE_DIGEST_MISMATCH, MODULE_DEPENDENCY_CYCLE, and with `replace` also
   * HOT_RELOAD_DISABLED.
   */
  register(name: string, fields: RegistrationFields, options?: RegisterOptions, by?: By): Promise<Module>;
  /** Throws MODULE_NOT_FOUND. */
  get(name: string): Module;
  /** All modules, sorted by name. */
  list(): readonly Module[];
  /** The number of calls of a module that a caller waits for. */
  inFlight(name: string): number;
  /**
   * Deletes a module that is UNLOADED or FAILED, and its breaker. In other states it rejects with MODULE_STATE_CONFLICT. Also
   * rejects with MODULE_HAS_DEPENDENTS.
   */
  delete(name: string, by?: By): Promise<{ readonly module: Module; readonly revision: number }>;
  /**
   * Starts a module and sends calls to it. Rejects with MODULE_DEPENDENCY_NOT_LOADED, MODULE_LOAD_FAILED, the errors of the
   * module's file, and with `forceReload` also MODULE_NOT_HOT_RELOADABLE and HOT_RELOAD_DISABLED. If a forced reload fails,
   * the version before continues to serve.
   */
  load(name: string, options?: LoadOptions, by?: By): Promise<Module>;
  /**
   * Stops a module after its calls have ended. `unloaded` has the names of all modules that were unloaded, in order. Rejects
   * with MODULE_HAS_DEPENDENTS.
   */
  unload(
    name: string,
    options?: UnloadOptions,
    by?: By,
  ): Promise<{ readonly module: Module; readonly unloaded: readonly string[] }>;
  /**
   * Replaces the version that serves, without a failed call. If a step before the switch or the bake fails, the result says
   * why, and the old version serves. Rejects with MODULE_STATE_CONFLICT, MODULE_NOT_HOT_RELOADABLE, HOT_RELOAD_DISABLED,
   * MODULE_GENERATION_MISMATCH, SWAP_ID_REUSED, and the errors of the path. The swap continues when the caller stops waiting.
   * `listener` is called at the start and the end of each step.
   */
  swap(name: string, options?: SwapOptions, by?: By, listener?: SwapListener): Promise<SwapResult>;
  /** Swaps several modules together. All new versions begin to serve at the same moment, or no version is replaced. */
  swapAll(
    modules: readonly (ModuleSwapOptions & { readonly name: string })[],
    options?: SwapTermsOptions,
    by?: By,
  ): Promise<GroupSwapResult>;
  /**
   * Cancels the swap of a module that is in progress, and resolves to its result. If `swapId` is set, the swap must have that
   * id. Rejects with SWAP_NOT_FOUND, or SWAP_COMMITTED if the new version serves already.
   */
  cancelSwap(name: string, swapId?: string, by?: By): Promise<SwapResult>;
  /**
   * Returns to an earlier generation, even while hot reload is off. If the module is FAILED, the rollback has no bake. Rejects
   * with GENERATION_NOT_FOUND and the errors of `swap`.
   */
  rollBack(name: string, options?: RollbackOptions, by?: By): Promise<SwapResult>;
  /** The generations that live, and the last ones that have ended, newest first. */
  generations(name: string): readonly GenerationView[];
  /** The id of the module's swap that is in progress. Undefined: no swap is in progress. */
  swapUnderWay(name: string): string | undefined;
  /** The last measured resource usage of the instance that serves. */
  usage(name: string): Usage | undefined;
  /** The last known health of the instance that runs. Undefined if no instance runs. */
  health(name: string): Health | undefined;
  /**
   * Calls a method, as the class spells it or in snake_case. Rejects with MODULE_NOT_LOADED, MODULE_STARTING,
   * MODULE_METHOD_NOT_FOUND, MODULE_METHOD_FAILED, MODULE_DEADLINE_EXCEEDED, MODULE_CRASHED, MODULE_OVERLOADED or
   * BREAKER_OPEN. While the module is being started, for the first time or after a crash, the error says when to retry.
   *
   * With `idempotencyKey`, the call is carried out at most once, and continues when its caller stops waiting. A repetition
   * gets its outcome. Also rejects with IDEMPOTENCY_OUTCOME_UNKNOWN, REQUEST_ID_REUSED, ANSWER_NOT_KEPT,
   * IDEMPOTENCY_KEYS_EXHAUSTED, or STORE_UNAVAILABLE if the method did not run.
   */
  invoke(name: string, method: string, input: Payload, options?: InvokeOptions): Promise<Answer>;
  /** Resolves when no call with an idempotency key is in progress, even if no caller waits for it. */
  keyedCallsIdle(): Promise<void>;
  /**
   * Calls `hook` with each new instance that is to replace another, before the new one takes calls. If the hook throws, the
   * old instance continues to serve. The module need not be registered yet. The returned function removes the hook.
   */
  addReloadHook(name: string, hook: ReloadHookFunction): () => void;
  /**
   * Calls `forget` with the name of each module that is about to be deleted. If it rejects, the module is kept. It is called
   * again after the deletion.
   */
  onForget(forget: (name: string) => Promise<void>): void;
  /** Sets the function with which swaps run suites. Without it, swaps run no suites. */
  useGate(gate: Gate): void;
  /** Returns the code that `startFresh` would start. Rejects with MODULE_NOT_FOUND and the errors of the file. */
  resolveFresh(name: string, options?: FreshOptions): Promise<ResolvedModule>;
  /** Starts an instance as registered, which takes no calls. The caller must stop it. Rejects with the errors of `load`. */
  startFresh(name: string, options?: FreshOptions): Promise<Candidate>;
  /** Starts a module without dependencies, as a stand-in for `name`. The caller must stop it. Rejects as `load` does. */
  startStandIn(name: string, modulePath: string): Promise<Instance>;
  /** The instance that serves. Its calls are not limited by lane or breaker. Throws MODULE_NOT_LOADED. */
  activeInstance(name: string): Candidate;
  /** Stops all instances, and kills them after a timeout. The desired states stay as they are, for the next start. */
  close(): Promise<void>;
}

export interface FreshOptions {
  /** The path of the file to start, by the rules of `module_path`. Undefined or empty: the registered file. */
  readonly modulePath?: string | undefined;
  /** What the instance may call with `ctx.call`. Default: only methods without effects. */
  readonly trial?: Trial | undefined;
  /** The paths of the assets. Undefined or empty: the registered assets. */
  readonly assets?: readonly string[] | undefined;
}

export function createModules(deps: ModulesDeps): Modules {
  const { feed, clock, newId, log, host, breakers, flags, modulesFile } = deps;
  const collection = new Collection<ModuleRecord>(feed, "module/");
  const operations = new Operations();
  const upcoming = createUpcoming(clock);
  const router = createRouter(collection, breakers, clock, upcoming);
  const keyedCalls = createKeyedCalls({ router, answers: feed.store.answers, clock });
  const closing = new AbortController();
  const generations = createGenerations({
    clock,
    log,
    host,
    flags,
    router,
    onCrash: (name, generation) => supervisor.crashed(name, generation),
    onHealth: (name, number, health) => noteHealth(context, name, number, health),
  });
  const context: OperationContext = {
    clock,
    log,
    host,
    breakers,
    collection,
    operations,
    router,
    generations,
    hotReload: createHotReload(flags),
    upcoming,
    crashed: (name, generation) => supervisor.crashed(name, generation),
    closing: closing.signal,
    isClosing: () => closing.signal.aborted,
  };
  const supervisor: Supervisor = createSupervisor(context);
  const forgetting: ((name: string) => Promise<void>)[] = [];
  const registrar = createRegistrar(context, async (name) => {
    for (const forget of forgetting) await forget(name);
  });
  const install = createInstall(feed, context, modulesFile);
  const warmUp = createWarmUp();
  let gate: Gate | undefined;
  const journal = createJournal(feed, log, (swap) => flip(context, swap));
  forgetting.push((name) => journal.forgetModule(name));
  const swaps = createSwaps(context, journal, { warmUp, gate: () => gate }, newId);
  const returns = createReturns(context, journal, swaps);
  const endSweeps = sweepArtifacts(collection, host, clock, log);
  const loadNow: Modules["load"] = async (name, options = {}, by) => {
    const module = await loadModule(context, reloading(context, swaps), name, options, by);
    supervisor.forgive(name);
    return module;
  };
  const swapFile: FileActions["swap"] = (name, by) => swapModule(context, swaps, name, {}, by);
  const loadFile: FileActions["load"] = (name, activate, by) => loadNow(name, { forceReload: true, activate }, by);
  let watch: ModuleWatch | undefined;
  const settled = Promise.withResolvers<void>();
  let isSettled = false;

  collection.onChange((delta) => {
    const { name, revision, cause, resource } = delta;
    log("modules", "info", "module changed", { name, revision, ...cause, state: resource?.record.lifecycle.state });
    follow(delta, { router, generations, upcoming, supervisor });
  });

  return {
    hub: collection.hub,
    settled: settled.promise,
    get isSettled() {
      return isSettled;
    },
    async start() {
      await install();
      await recoverSwaps(context, journal);
      await journal.sweep((name) => collection.get(name) !== undefined);
      await forgetRuns(context);
      void bringDesiredUp(context, (name) => supervisor.retry(name)).then(() => {
        isSettled = true;
        settled.resolve();
        if (deps.watchFiles && !context.isClosing()) watch = watchModules(context, { swap: swapFile, load: loadFile });
      });
    },
    register: (name, fields, options = {}, by) => registrar.register(name, fields, options, by),
    get: (name) => getModule(context, name),
    list: () => collection.list(),
    inFlight: (name) => router.inFlight(name),
    async delete(name, by) {
      const module = await registrar.delete(name, by);
      return { module, revision: feed.revision };
    },
    load: loadNow,
    unload: async (name, options = {}, by) => unloadModule(context, name, options, by),
    swap: async (name, options = {}, by, listener) => swapModule(context, swaps, name, options, by, listener),
    swapAll: async (modules, options = {}, by) => swapModules(context, swaps, modules, options, by),
    async cancelSwap(name, swapId = "", by) {
      getModule(context, name);
      const who = by?.actor ? ` by ${by.actor}` : "";
      const why = by?.reason ? `: ${by.reason}` : "";
      return resultOf(context, await swaps.cancel(name, swapId, `it was cancelled${who}${why}`), name);
    },
    async rollBack(name, options = {}, by) {
      const result = await rollBack(context, swaps, returns, name, options, by);
      if (result.swapped) supervisor.forgive(name);
      return result;
    },
    generations: (name) => listGenerations(context, name),
    swapUnderWay: (name) => swaps.underWay(name),
    health(name) {
      const module = collection.get(name);
      return module && runningGeneration(context, module)?.health.health;
    },
    usage: (name) => router.serving(name)?.instance.lastUsage,
    invoke(name, method, input, options = {}) {
      const { idempotencyKey: key = "" } = options;
      if (key === "") return router.invoke(name, method, input, options);
      return keyedCalls.invoke(name, method, input, key, options);
    },
    keyedCallsIdle: () => keyedCalls.idle(),
    addReloadHook: (name, hook) => warmUp.add(name, hook),
    onForget: (forget) => {
      forgetting.push(forget);
    },
    useGate: (next) => {
      gate = next;
    },
    resolveFresh: (name, options = {}) => freshCode(context, name, options),
    async startFresh(name, options = {}) {
      const { trial = BARE_TEST } = options;
      const { registration } = getModule(context, name).record;
      const module = await freshCode(context, name, options);
      // The registered version applies only to the registered file.
      const registered = module.modulePath === registration.modulePath ? registration.version : "";
      const version = (ofClass: string | undefined): string => registered || (ofClass ?? "0.0.0");
      return candidateOf(
        name,
        await generations.startApart(name, { registration, module, version, acts: false, trial }),
      );
    },
    async startStandIn(name, modulePath) {
      const module = await verified(context, { modulePath, sha256: "" });
      const version = (ofClass: string | undefined): string => ofClass ?? "0.0.0";
      const request = { registration: withDefaults({ modulePath }), module, version, acts: false, trial: BARE_TEST };
      return (await generations.startApart(name, request)).instance;
    },
    activeInstance(name) {
      const module = getModule(context, name);
      const generation = runningGeneration(context, module);
      if (generation === undefined || module.record.lifecycle.state !== "ACTIVE") throw notLoaded(module);
      return candidateOf(name, generation);
    },
    async close() {
      closing.abort(HeliosError.of("SERVER_DRAINING", {}));
      const unwatched = watch?.close();
      endSweeps();
      supervisor.close();
      router.close();
      const idle = Promise.all([operations.close(), unwatched]);
      await generations.close();
      // The store must stay open until the outcomes of these calls are stored.
      await keyedCalls.idle();
      await idle;
    },
  };
}

async function freshCode(context: OperationContext, name: string, options: FreshOptions): Promise<ResolvedModule> {
  const { registration } = getModule(context, name).record;
  const modulePath = options.modulePath || registration.modulePath;
  const assets = options.assets?.length ? { assets: options.assets } : {};
  refuse(pathViolation(["module_path"], modulePath) ?? assetsViolation(["assets"], options.assets ?? []));
  const sha256 = modulePath === registration.modulePath ? registration.sha256 : "";
  return verified(context, { ...registration, modulePath, sha256, ...assets });
}
