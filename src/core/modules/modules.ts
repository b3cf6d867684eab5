import type { Clock } from "../../kernel/clock.ts";
import type { Breakers } from "../breakers/types.ts";
import { HeliosError } from "../errors/error.ts";
import type { FlagPasts } from "../flags/switched-off.ts";
import type { SourceFile } from "../json/source-file.ts";
import type { Log } from "../log.ts";
import { Collection } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import { createGenerations, type FlagReader } from "./calls/generations.ts";
import { createKeyedCalls } from "./calls/keyed/keyed-calls.ts";
import { createRouter, notLoaded } from "./calls/router.ts";
import { createUpcoming } from "./calls/upcoming.ts";
import type { ModuleHost } from "./host/types/host.ts";
import { getModule, type OperationContext, runningGeneration } from "./operations/context.ts";
import { Operations } from "./operations/exclusive.ts";
import { createHotReload } from "./operations/freeze.ts";
import { createFresh } from "./operations/fresh.ts";
import { createInstall } from "./operations/install.ts";
import { listGenerations } from "./operations/list-generations.ts";
import { loadModule } from "./operations/load.ts";
import { createRegistrar } from "./operations/register.ts";
import { sweepArtifacts } from "./operations/sweep.ts";
import { unloadModule } from "./operations/unload.ts";
import type { ModuleRecord } from "./record/record.ts";
import { bringDesiredUp, forgetRuns } from "./supervision/boot.ts";
import { follow } from "./supervision/follow.ts";
import { noteHealth } from "./supervision/note-health.ts";
import { createSupervisor, type Supervisor } from "./supervision/supervise.ts";
import { createBakeRollbacks } from "./swap/bake-rollbacks.ts";
import { flip } from "./swap/flip.ts";
import { recoverSwaps } from "./swap/recover.ts";
import { resultOf } from "./swap/report.ts";
import { rollBack } from "./swap/rollback.ts";
import { createJournal } from "./swap/state/journal.ts";
import { type Gate, testedInstance } from "./swap/steps/gate.ts";
import { createWarmUp } from "./swap/steps/warm-up.ts";
import { reloading, swapModule, swapModules } from "./swap/swap.ts";
import { createSwaps } from "./swap/swaps.ts";
import type { Modules } from "./types.ts";
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
  const bakeRollbacks = createBakeRollbacks(context, journal, swaps);
  const fresh = createFresh(context);
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
      const result = await rollBack(context, swaps, bakeRollbacks, name, options, by);
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
    resolveFresh: (name, options = {}) => fresh.resolve(name, options),
    async startFresh(name, options = {}) {
      const generation = await fresh.start(name, options);
      return testedInstance(generation.name, generation);
    },
    startStandIn: (name, modulePath, signal) => fresh.startStandIn(name, modulePath, signal),
    activeInstance(name) {
      const module = getModule(context, name);
      const generation = runningGeneration(context, module);
      if (generation === undefined || module.record.lifecycle.state !== "ACTIVE") throw notLoaded(module);
      return testedInstance(name, generation);
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
