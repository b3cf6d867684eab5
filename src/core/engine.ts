import { type Clock, systemClock } from "../kernel/clock.ts";
import { createBreakers } from "./breakers/breakers.ts";
import type { Breakers } from "./breakers/types.ts";
import { HeliosError } from "./errors/error.ts";
import type { ConditionCompiler } from "./flags/condition.ts";
import { flagHistory } from "./flags/evaluation/past.ts";
import { createFlags } from "./flags/flags.ts";
import type { Flags } from "./flags/types.ts";
import type { SourceFile } from "./json/source-file.ts";
import { type Log, silentLog } from "./log.ts";
import { createModuleHost } from "./modules/host/index.ts";
import { createModules, type Modules } from "./modules/modules.ts";
import { clientEvent, createEvents, type EngineEvent } from "./status/events.ts";
import { createHints, type Hints } from "./status/hints.ts";
import { EVENT_SOURCES } from "./status/sources.ts";
import { createStatus, type EngineStatus } from "./status/status.ts";
import { Feed } from "./store/feed.ts";
import { createMemoryStore } from "./store/memory/store.ts";
import { createRequestLog, type RequestLog } from "./store/requests.ts";
import { watchForSetBack } from "./store/set-back.ts";
import { openSqliteStore } from "./store/sqlite/open.ts";
import type { Store } from "./store/store.ts";
import type { ExpectationCompiler } from "./testing/suites/expectations.ts";
import { createTesting } from "./testing/testing.ts";
import type { Testing } from "./testing/types.ts";
import { Clients } from "./watch/clients.ts";
import type { Hub } from "./watch/hub.ts";
import { createTimeline } from "./watch/timeline.ts";

export interface EngineOptions {
  /** Directory below which all module files are. */
  readonly modulesRoot: string;
  /**
   * Directory of the database and of the modules' code, made where it is missing. Absent: everything is in memory and
   * ends with the process.
   */
  readonly dataDir?: string;
  /** Changes that are kept for watchers that come back; and for how long in ms, and how many bytes. */
  readonly keptChanges?: number;
  readonly keptMs?: number;
  readonly keptBytes?: number;
  /** For how long each change of a flag is kept, in ms. Default 400 days. */
  readonly flagHistoryMs?: number;
  /** What fills the flags at the first start. Absent: the default flags. */
  readonly flagsFile?: SourceFile;
  /**
   * Reloads the flags file by itself when it has changed: `MERGE` leaves flags that it does not name, `REPLACE` deletes
   * them. A file that is wrong changes nothing and is logged. Absent: only when asked.
   */
  readonly watchFlagsFile?: "MERGE" | "REPLACE";
  /** What is registered and loaded at the first start. Absent: nothing. */
  readonly modulesFile?: SourceFile;
  /**
   * Swaps a module that runs when a file of its code or data has changed, as `modules.swap` does, by the actor `file`. What
   * does not start is logged with its place, and the old version serves on. Default false.
   */
  readonly watchModules?: boolean;
  /** Compiles the expectations of suites that are created. Absent: such suites are refused. */
  readonly compileExpectation?: ExpectationCompiler;
  /** Compiles the conditions of flags. Absent: flags with a condition are refused, and those that are stored are off. */
  readonly compileCondition?: ConditionCompiler;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Makes ids that are never the same twice. Default: random UUIDs. */
  readonly newId?: () => string;
  /** From 0 up to 1. Default: `Math.random`. */
  readonly random?: () => number;
  /** Default: nothing is logged. */
  readonly log?: Log;
}

/** Flags, breakers, modules and tests over one store. */
export interface Engine {
  readonly flags: Flags;
  readonly breakers: Breakers;
  readonly modules: Modules;
  readonly testing: Testing;
  /** Every change of every domain, as lines for people. */
  readonly events: Hub<EngineEvent, EngineEvent>;
  /** Who watches, and what they have applied. */
  readonly clients: Clients;
  /** Why things are as they are. */
  readonly hints: Hints;
  readonly store: Store;
  /** For who serves the engine to others: the answers to requests with an id. */
  readonly requests: RequestLog;
  /** The store's revision up to which everything is applied. */
  revision(): number;
  status(): EngineStatus;
  /**
   * Threads of modules that nothing but the end of this process ends: while there are any, `process.exit` waits for them
   * for ever.
   */
  strandedThreads(): number;
  /** Ends every watch, and every wait for clients, with that error, and refuses new ones. */
  endWatches(error: HeliosError): void;
  /** Stops all modules and closes the store. What was desired is started again by the next engine on the same data. */
  close(): Promise<void>;
}

const NO_FILE: SourceFile = { name: "(none)", read: async () => undefined };

/**
 * Starts an engine. Resolves when every flag and breaker is there; desired modules are being started then, and
 * `modules.settled` tells when each is up or known to have failed. Rejects with STORE_LOCKED, STORE_DAMAGED,
 * STORE_FORMAT_UNKNOWN, FLAGS_FILE_INVALID or MODULES_FILE_INVALID; nothing is left running then.
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { clock = systemClock, newId = () => crypto.randomUUID(), random = Math.random, log = silentLog } = options;
  const { flagsFile = NO_FILE, modulesFile = NO_FILE, compileExpectation } = options;
  const { keptChanges, keptMs, keptBytes } = options;
  const retention = { keptChanges, keptMs, keptBytes, histories: [flagHistory(options.flagHistoryMs)] };
  const store =
    options.dataDir === undefined
      ? createMemoryStore({ clock, incarnation: newId(), ...retention })
      : await openSqliteStore({ directory: options.dataDir, clock, newId, ...retention });
  const feed = new Feed(store);
  const flags = createFlags({
    feed,
    clock,
    log,
    file: flagsFile,
    followFile: options.watchFlagsFile,
    compileCondition: options.compileCondition,
  });
  const breakers = createBreakers({ feed, clock, newId, random, log });
  const artifactsDir = options.dataDir === undefined ? undefined : `${options.dataDir}/artifacts`;
  const host = createModuleHost({ root: options.modulesRoot, clock, artifactsDir });
  const modules = createModules({
    feed,
    clock,
    newId,
    log,
    host,
    breakers,
    flags,
    modulesFile,
    watchFiles: options.watchModules,
  });
  const testing = createTesting({ feed, clock, newId, log, modules, host, compileExpectation });
  modules.useGate(testing.gate);
  modules.onForget(testing.forget);
  const requests = createRequestLog({ feed, clock });
  const events = createEvents(feed, EVENT_SOURCES);
  const hubs = [flags.hub, breakers.hub, modules.hub, events];
  const clients = new Clients({
    feed,
    clock,
    timeline: createTimeline(feed, clock),
    told: (what, clientId, rpc, peer) => {
      const place = { rpc, peer, revision: feed.revision, time: clock.now() };
      events.announce(clientEvent(what, clientId, place));
    },
  });
  flags.hub.observe(clients.observer("WatchFlags"));
  breakers.hub.observe(clients.observer("WatchBreakers"));
  breakers.hub.observe(breakers.presence);
  modules.hub.observe(clients.observer("WatchModules"));
  events.observe(clients.observer("WatchEvents"));
  const setBack = watchForSetBack(feed, {
    clock,
    log,
    startOver: () => {
      for (const hub of hubs) hub.distrustTokens();
    },
  });
  const endWatches = (error: HeliosError): void => {
    for (const hub of hubs) hub.end(error);
    clients.end(error);
  };
  const close = async (): Promise<void> => {
    endWatches(HeliosError.of("SERVER_DRAINING", {}));
    const closing = [testing, modules, host, breakers, flags, feed, store];
    const failures: unknown[] = [];
    // In this order, and each of them whatever comes of the others.
    for (const part of closing) await Promise.try(() => part.close()).catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };
  try {
    await feed.start();
    await flags.start();
    await breakers.start();
    await testing.start();
    await modules.start();
  } catch (error) {
    await close();
    throw error;
  }
  const status = createStatus({ feed, flags, breakers, modules, testing, setBack });
  return {
    flags,
    breakers,
    modules,
    testing,
    events,
    clients,
    hints: createHints(feed),
    store,
    requests,
    revision: () => feed.revision,
    status,
    strandedThreads: () => host.strandedThreads,
    endWatches,
    close,
  };
}
