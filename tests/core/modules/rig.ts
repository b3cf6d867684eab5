import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { createBreakers } from "../../../src/core/breakers/breakers.ts";
import type { Breakers } from "../../../src/core/breakers/types.ts";
import { createFlags } from "../../../src/core/flags/flags.ts";
import type { Flags } from "../../../src/core/flags/types.ts";
import { type Log, silentLog } from "../../../src/core/log.ts";
import { createModuleHost } from "../../../src/core/modules/host/index.ts";
import { createModules } from "../../../src/core/modules/modules.ts";
import type { ModuleState } from "../../../src/core/modules/record/lifecycle.ts";
import type { RegistrationFields } from "../../../src/core/modules/record/record.ts";
import type { Modules } from "../../../src/core/modules/types.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import { createRequestLog, type RequestLog } from "../../../src/core/store/requests.ts";
import type { Store } from "../../../src/core/store/store.ts";
import { createTesting } from "../../../src/core/testing/testing.ts";
import type { Testing } from "../../../src/core/testing/types.ts";
import { type Clock, createManualClock, type ManualClock, systemClock } from "../../../src/kernel/clock.ts";
import { usualIsolation } from "../../support/isolations.ts";
import { sharedReaper } from "./shared-reaper.ts";

export const ROOT = fileURLToPath(new URL("../../fixtures/modules/registry", import.meta.url));

export interface Rig {
  readonly modules: Modules;
  readonly testing: Testing;
  readonly breakers: Breakers;
  readonly flags: Flags;
  readonly feed: Feed;
  readonly store: Store;
  /** The directory of the host's artifacts. */
  readonly artifactsDir: string;
  readonly requests: RequestLog;
  /** Registers a module, by default under the name of its path. */
  register(modulePath: string, fields?: Partial<RegistrationFields>, name?: string): Promise<string>;
  /** Registers and loads a module. */
  load(modulePath: string, fields?: Partial<RegistrationFields>, name?: string): Promise<string>;
  /** Calls with a JSON value, and resolves to the JSON value of the answer. */
  call(name: string, method: string, input?: unknown): Promise<unknown>;
  state(name: string): ModuleState;
  /** Resolves when the module is in this state. */
  reaches(name: string, state: ModuleState): Promise<void>;
  close(): Promise<void>;
}

export interface RigOptions {
  /** A store that another rig has used. Default: a new one. */
  readonly store?: Store;
  /** The clock of everything but the host. Default: the system clock. */
  readonly clock?: Clock;
  /** The clock of the host. The modules run in real time nevertheless. Default: the system clock. */
  readonly hostClock?: Clock;
  /** The text of the modules file. An error: reading fails with it. */
  readonly modulesFile?: string | Error;
  readonly root?: string;
  /** Default: the directory of other rigs with the same store, or a new one. */
  readonly artifactsDir?: string;
  readonly log?: Log;
  readonly watchFiles?: boolean;
}

/** The modules of an engine with real flags, breakers and instances, which is closed at the end of the test. */
export async function rig(options: RigOptions = {}): Promise<Rig> {
  const {
    clock = systemClock,
    hostClock = systemClock,
    root = ROOT,
    modulesFile,
    log = silentLog,
    watchFiles,
  } = options;
  const store = options.store ?? createMemoryStore({ clock, incarnation: "incarnation" });
  const feed = new Feed(store);
  let ids = 0;
  const newId = (): string => `id-${++ids}`;
  const flags = createFlags({ feed, clock, log, file: { name: "flags.json", read: async () => undefined } });
  const breakers = createBreakers({ feed, clock, newId, random: () => 0.5, log });
  const artifactsDir = options.artifactsDir ?? (await artifactsOf(store));
  const host = createModuleHost({ root, clock: hostClock, artifactsDir, reaper: sharedReaper });
  const read = async (): Promise<string | undefined> => {
    if (modulesFile instanceof Error) throw modulesFile;
    return modulesFile;
  };
  const source = { name: "modules.json", read };
  const modules = createModules({ feed, clock, newId, log, host, breakers, flags, modulesFile: source, watchFiles });
  const testing = createTesting({ feed, clock, newId, log, modules, host });
  const requests = createRequestLog({ feed, clock });
  let closed: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    await testing.close();
    await modules.close();
    await host.close();
    await breakers.close();
    feed.close();
  };
  const close = (): Promise<void> => {
    closed ??= closeAll();
    return closed;
  };
  onTestFinished(close);
  await feed.start();
  await flags.start();
  await breakers.start();
  await modules.start();

  const state = (name: string): ModuleState => modules.get(name).record.lifecycle.state;
  const register: Rig["register"] = async (modulePath, fields, name = modulePath) => {
    await modules.register(name, { modulePath, isolation: usualIsolation(), ...fields });
    return name;
  };
  return {
    modules,
    testing,
    breakers,
    flags,
    feed,
    store,
    artifactsDir,
    requests,
    register,
    state,
    close,
    async load(modulePath, fields, name) {
      const registered = await register(modulePath, fields, name);
      await modules.load(registered);
      return registered;
    },
    async call(name, method, input = null) {
      const { output } = await modules.invoke(name, method, { json: input });
      return "json" in output ? output.json : output.binary;
    },
    async reaches(name, wanted) {
      while (state(name) !== wanted) await feed.reached(feed.revision + 1);
    },
  };
}

const artifactDirs = new WeakMap<Store, Promise<string>>();

/** The artifact directory of a store, so that a restart on the same store finds the artifacts. */
function artifactsOf(store: Store): Promise<string> {
  const known = artifactDirs.get(store);
  if (known !== undefined) return known;
  const made = mkdtemp(join(tmpdir(), "helios-artifacts-"));
  onTestFinished(async () => rm(await made, { recursive: true, force: true, maxRetries: 5 }));
  artifactDirs.set(store, made);
  return made;
}

/** The states that a module went through, oldest first, without repetitions. */
export async function statesOf({ store }: Rig, name: string): Promise<string[]> {
  const history = await store.history(`module/${name}`, 100);
  const states = history.map(({ value }) => (value === undefined ? "gone" : stateIn(value))).reverse();
  return states.filter((state, index) => state !== states[index - 1]);
}

function stateIn(value: string): string {
  return (JSON.parse(value) as { lifecycle: { state: string } }).lifecycle.state;
}

/** A host clock, and a signal that the module hangs in its start, for a rig. */
export function hanging(): { hostClock: ManualClock; log: Log; hangs: Promise<void> } {
  const { promise: hangs, resolve } = Promise.withResolvers<void>();
  const log: Log = (_area, _level, message) => {
    if (message === "hanging") resolve();
  };
  return { hostClock: createManualClock(), log, hangs };
}

/** A new modules root with files that can be changed, which is removed at the end of the test. */
export async function ownRoot(files: Readonly<Record<string, string>>): Promise<OwnRoot> {
  const path = await mkdtemp(join(tmpdir(), "helios-modules-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  const write = (file: string, text: string): Promise<void> => writeFile(join(path, file), text);
  for (const [file, text] of Object.entries(files)) await write(file, text);
  return { path, write };
}

export interface OwnRoot {
  readonly path: string;
  write(file: string, text: string): Promise<void>;
}
