import { type Clock, systemClock } from "../kernel/clock.ts";
import { createBreakers } from "./breakers/breakers.ts";
import type { Breakers } from "./breakers/types.ts";
import { HeliosError } from "./errors/error.ts";
import type { ConditionCompiler } from "./flags/condition.ts";
import { flagHistory } from "./flags/evaluation/past.ts";
import type { ReloadMode } from "./flags/file/reload.ts";
import { createFlags } from "./flags/flags.ts";
import type { Flags } from "./flags/types.ts";
import type { SourceFile } from "./json/source-file.ts";
import { type Log, silentLog } from "./log.ts";
import { createModuleHost } from "./modules/host/index.ts";
import { createModules } from "./modules/modules.ts";
import type { Modules } from "./modules/types.ts";
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
  /** Directory that contains all module files. */
  readonly modulesRoot: string;
  /**
   * Directory of the database and of the modules' code. It is created if it is missing. If absent, everything is in memory
   * and is lost when the process ends.
   */
  readonly dataDir?: string;
  /**
   * Limits of the changes that are stored for resuming watchers: their number, their age in ms, and their size in bytes.
   */
  readonly keptChanges?: number;
  readonly keptMs?: number;
  readonly keptBytes?: number;
  /** Time for which each change of a flag is stored, in ms. Default: 400 days. */
  readonly flagHistoryMs?: number;
  /** The flags at the first start. Absent: the built-in default flags. */
  readonly flagsFile?: SourceFile;
  /**
   * Reloads the flags file whenever it changes. `MERGE` keeps flags that the file does not contain, `REPLACE` deletes them.
   * An invalid file changes nothing and is logged. Absent: the file is only reloaded on request.
   */
  readonly watchFlagsFile?: ReloadMode;
  /** The modules to register and load at the first start. Absent: none. */
  readonly modulesFile?: SourceFile;
  /**
   * Swaps a running module when a file of its code or data has changed, as `modules.swap` does, with the actor `file`. If
   * the new version does not start, the error is logged with its place, and the old version stays. Default: false.
   */
  readonly watchModules?: boolean;
  /** Compiles the expectations of created suites. Absent: such suites are refused. */
  readonly compileExpectation?: ExpectationCompiler;
  /** Compiles the conditions of flags. Absent: flags with a condition are refused, and stored ones are off. */
  readonly compileCondition?: ConditionCompiler;
  /** Default: the clock of the machine. */
  readonly clock?: Clock;
  /** Creates unique ids. Default: random UUIDs. */
  readonly newId?: () => string;
  /** Returns a number from 0 up to, but not including, 1. Default: `Math.random`. */
  readonly random?: () => number;
  /** Default: log entries are discarded. */
  readonly log?: Log;
}

/** Flags, breakers, modules and tests over one store. */
export interface Engine {
  readonly flags: Flags;
  readonly breakers: Breakers;
  readonly modules: Modules;
  readonly testing: Testing;
  /** Every change of every domain, as a line of text. */
  readonly events: Hub<EngineEvent, EngineEvent>;
  /** The clients that watch, and what they have applied. */
  readonly clients: Clients;
  /** Explanations of the current state. */
  readonly hints: Hints;
  readonly store: Store;
  /** Stored answers to requests with an id, for the server of this engine. */
  readonly requests: RequestLog;
  /** Returns the store's revision up to which everything is applied. */
  revision(): number;
  status(): EngineStatus;
  /**
   * Number of threads of modules that only the end of this process can stop. While there are any, `process.exit` waits for
   * them forever.
   */
  strandedThreads(): number;
  /** Ends every watch, and every wait for clients, with that error. Refuses new ones. */
  endWatches(error: HeliosError): void;
  /** Stops all modules and closes the store. The next engine on the same data starts the desired modules again. */
  close(): Promise<void>;
}

const NO_FILE: SourceFile = { name: "(none)", read: async () => undefined };

/**
 * Starts an engine. Resolves when all flags and breakers are loaded. The desired modules may still be starting;
 * `modules.settled` resolves when each one serves or is known to have failed. Rejects with STORE_LOCKED, STORE_DAMAGED,
 * STORE_FORMAT_UNKNOWN, FLAGS_FILE_INVALID or MODULES_FILE_INVALID; then nothing is left running.
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
  modules.onForget(testing.deleteRuns);
  const requests = createRequestLog({ feed, clock });
  const events = createEvents(feed, EVENT_SOURCES);
  const hubs = [flags.hub, breakers.hub, modules.hub, events];
  const clients = new Clients({
    feed,
    clock,
    timeline: createTimeline(feed, clock),
    onPresence: (what, clientId, rpc, peer) => {
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
    // The parts are closed in this order, even if closing an earlier one fails.
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
