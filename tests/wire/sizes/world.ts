import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEngine, type Engine, openSqliteStore, type RunRecord, systemClock } from "../../../src/core/index.ts";
import { type Server, startServer } from "../../../src/server/server.ts";
import { ROOT } from "../../core/modules/rig.ts";

const KIB = 1024;
/** One character with six bytes in JSON, and one in protobuf. */
const CONTROL = "\u0001";
/** A number of a Struct with eleven bytes in protobuf, and two in JSON. */
const numbers = (count: number): number[] => Array.from({ length: count }, () => 1);
const uuids = (count: number): string[] => Array.from({ length: count }, () => crypto.randomUUID());

export interface World {
  readonly engine: Engine;
  readonly server: Server;
  /** Sets the text of the flags file. */
  write(text: string): void;
  close(): Promise<void>;
}

async function serve(dataDir: string, onClose: () => void): Promise<World> {
  let text = "{}";
  const flagsFile = { name: "flags.json", read: async () => text };
  const engine = await createEngine({ modulesRoot: ROOT, dataDir, flagsFile });
  const server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1", log: () => {}, graceMs: 100 });
  return {
    engine,
    server,
    write: (next) => {
      text = next;
    },
    async close() {
      await server.drain();
      await engine.close();
      onClose();
    },
  };
}

function directory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "helios-sizes-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** The number of resources of each kind: more than 4 MiB of each, in one of the encodings. */
export const COUNTS = { flags: 300, breakers: 300, modules: 24, suites: 5, runs: 5, changes: 4 };

/** A service that holds more of everything than one message can, all in the present format. */
export async function crowd(): Promise<World> {
  const { path, remove } = directory();
  const world = await serve(path, remove);
  return world;
}

/** Fills it. This is separate from `crowd`, so that a watch can begin before. */
export async function fill({ engine }: World): Promise<void> {
  const { flags, breakers, modules, testing } = engine;
  const by = { actor: CONTROL.repeat(256), reason: CONTROL.repeat(1024) };
  const work: Promise<unknown>[] = [];
  for (let at = 0; at < COUNTS.flags; at += 1) {
    const name = `flag-${String(at).padStart(4, "0")}`;
    const isListed = at < 10;
    const value = {
      strategy: "ALL_ON",
      variants: [{ name: "v", weight: 1, value: `${at}`.padEnd(16_000, "x") }],
    } as const;
    const fields = isListed ? ({ strategy: "WHITELIST", whitelist: uuids(1000) } as const) : value;
    work.push(flags.create(name, { enabled: true, ...fields }, {}, by));
  }
  for (let at = 0; at < COUNTS.breakers; at += 1) {
    const name = `breaker-${String(at).padStart(4, "0")}`;
    work.push(breakers.getOrCreate(name, {}).then(() => breakers.open(name, {}, by)));
  }
  for (let at = 0; at < COUNTS.suites; at += 1) {
    const test = { name: "t", method: "m", input: CONTROL.repeat(170_000) };
    work.push(testing.createSuite(`suite-${at}`, { tests: [test] }, by));
  }
  for (let at = 0; at < COUNTS.modules; at += 1) {
    const name = `module-${String(at).padStart(4, "0")}`;
    const config = { texts: CONTROL.repeat(34 * KIB) };
    work.push(modules.register(name, { modulePath: "echo_v1", config }, {}, by));
  }
  await Promise.all(work);
  for (let at = 0; at < COUNTS.changes; at += 1) {
    await flags.update("flag-0000", {
      whitelist: Array.from({ length: 8000 }, (_, entry) => `${at}`.repeat(90) + entry),
    });
  }
}

export const LEGACY = {
  flag: "large-flag",
  small: "small-flag",
  module: "large-module",
  suite: "large-suite",
  run: "large-run",
};

/** Runs of a module in the form in which an earlier version stored them. */
function largeRun(module: string): RunRecord {
  const output = { numbers: numbers(2000) };
  const test = { name: "t", outcome: "PASSED", required: true, durationMs: 1, message: CONTROL.repeat(1000) } as const;
  return {
    module,
    suite: "s",
    target: "FRESH",
    config: {},
    state: "COMPLETED",
    passed: true,
    totalTests: 500,
    tests: Array.from({ length: 500 }, (_, at) => ({ ...test, name: `test ${at}`, output })),
    durationMs: 1,
    modulePath: "m",
    version: "1",
    sha256: "",
    artifact: "",
    startTime: 0,
    endTime: 1,
    cause: { action: "RunTests" },
  };
}

/** A service with data of an earlier version, in which a flag, a module, a suite and a report have megabytes each. */
export async function inherited(): Promise<World> {
  const { path, remove } = directory();
  const before = await serve(path, () => {});
  const { engine } = before;
  await engine.flags.create(LEGACY.flag, { strategy: "WHITELIST", whitelist: ["alice"], enabled: true });
  await engine.flags.create(LEGACY.small, { enabled: true });
  await engine.modules.register(LEGACY.module, { modulePath: "echo_v1" });
  await engine.testing.createSuite(LEGACY.suite, { tests: [{ name: "t", method: "m" }] });
  await before.close();
  const store = await openSqliteStore({ directory: path, clock: systemClock, newId: () => crypto.randomUUID() });
  const cause = { action: "Earlier", reason: CONTROL.repeat(100 * KIB) };
  const change = async (key: string, alter: (record: never) => object): Promise<void> => {
    const entry = await store.get(key);
    await store.put(key, JSON.stringify(alter(JSON.parse(entry?.value ?? "{}") as never)), { cause });
  };
  const whitelist = ["alice", ...Array.from({ length: 20_000 }, (_, at) => `${at} ${"é".repeat(120)}`)];
  await change(`flag/${LEGACY.flag}`, (record: object) => ({ ...record, whitelist }));
  await change(`module/${LEGACY.module}`, (record: { registration: object }) => {
    return { ...record, registration: { ...record.registration, config: { numbers: numbers(500_000) } } };
  });
  await change(`suite/${LEGACY.suite}`, (record: { tests: readonly object[] }) => {
    return { ...record, tests: record.tests.map((test) => ({ ...test, input: numbers(500_000) })) };
  });
  for (let at = 0; at < COUNTS.runs; at += 1) {
    await change(`run/${LEGACY.run}-${at}`, () => largeRun(LEGACY.module));
  }
  await store.close();
  return serve(path, remove);
}
