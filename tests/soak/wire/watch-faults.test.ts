// @module-tag soak

import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHeliosClient, type HeliosClient } from "../../../clients/typescript/src/index.ts";
import { type OwnServer, startOwnServer } from "../../../scripts/demo/server.ts";
import { type Clock, createEngine, type Engine, systemClock } from "../../../src/core/index.ts";
import { type Server, startServer } from "../../../src/server/server.ts";
import { until } from "../../support/until.ts";
import { type Follower, follow, KINDS, present } from "../../wire/follower.ts";
import { type Network, startProxy } from "../../wire/proxy.ts";

const MODULES = join(import.meta.dirname, "../../fixtures/modules");
const WATCHER = join(import.meta.dirname, "../../fixtures/watcher/main.ts");
const QUEUE_LIMIT = 1024;

let directory: string;
let engine: Engine;
let server: Server;
let proxy: Network;
/** The test connects directly to the server, and the watchers connect through the proxy. */
let client: HeliosClient;
let watching: HeliosClient;
let followers: Follower[];

async function start(options: { clock?: Clock; pingIntervalMs?: number; pingTimeoutMs?: number } = {}): Promise<void> {
  const clock = options.clock ?? systemClock;
  engine = await createEngine({ modulesRoot: MODULES, dataDir: join(directory, "data"), clock });
  server = await startServer({
    engine,
    host: "127.0.0.1",
    port: 0,
    version: "test",
    log: () => {},
    graceMs: 200,
    ...options,
  });
  proxy = await startProxy(() => server.port);
  client = createHeliosClient({ baseUrl: server.url });
  watching = createHeliosClient({ baseUrl: proxy.baseUrl });
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "helios-faults-"));
  followers = [];
});

afterEach(async () => {
  await Promise.all(followers.map((follower) => follower.stop()));
  watching?.close();
  client?.close();
  await proxy?.close();
  await server?.drain();
  await engine?.close();
  rmSync(directory, { recursive: true, force: true });
});

function followed(options = {}): Follower {
  const follower = follow(watching, options);
  followers.push(follower);
  return follower;
}

/** Makes that many changes: most of flags, some of breakers, a few of modules, with deletions. */
async function change(count: number, names: number, salt = 0): Promise<void> {
  const one = async (n: number): Promise<void> => {
    const name = `x${(n * 7919 + salt) % names}`;
    if (n % 50 === 49) await engine.breakers.getOrCreate(name);
    else if (n % 50 === 24) await engine.breakers.delete(name).catch(() => {});
    else if (n % 10 === 9) await engine.flags.delete(name).catch(() => {});
    else
      await engine.flags
        .setPercentage(name, (n + salt) % 100, { allowMissing: true })
        .catch(() => engine.flags.create(name, {}, { revive: true }));
  };
  for (let n = 0; n < count; n += 200) {
    await Promise.all(Array.from({ length: Math.min(200, count - n) }, (_, at) => one(n + at)));
  }
  const name = `module-${salt % 5}`;
  await engine.modules.register(name, { modulePath: "echo", version: `${salt}` }, { replace: true });
}

async function expectEqual(follower: Follower): Promise<void> {
  await follower.reached(engine.revision());
  for (const kind of KINDS) expect(follower.view(kind)).toEqual(await present(client, kind));
  expect(follower.wentBack).toEqual([]);
}

describe("a watcher", () => {
  it("ends with the state of the server although its connection is cut anywhere in a snapshot", async () => {
    await start();
    // Repetitive data would be compressed.
    const text = (n: number): string => createHash("sha512").update(`${n}`).digest("hex").repeat(2);
    const flags = Array.from({ length: 1500 }, (_, n) => engine.flags.create(`big${n}`, { description: text(n) }));
    await Promise.all(flags);
    await change(500, 100);
    const cuts = [1, 500, 5000, 20_000, 40_000, 60_000, 80_000, 100_000];
    proxy.cutAfter(cuts);
    const follower = followed();
    for (let salt = 1; salt < 6; salt += 1) await change(50, 100, salt);
    await expectEqual(follower);
    expect(proxy.connections).toBeGreaterThan(cuts.length);
  });

  it("receives 10,000 missed changes from the journal after it was disconnected", async () => {
    await start();
    const follower = followed();
    await change(200, 50);
    await expectEqual(follower);
    proxy.refuse();
    await until(() => engine.clients.list().length === 0);
    await change(10_000, 3000, 1);
    expect(engine.clients.list()).toEqual([]);
    proxy.admit();
    await expectEqual(follower);
    expect(KINDS.map((kind) => follower.snapshots(kind))).toEqual([1, 1, 1]);
  });

  it("starts over, and drops deleted resources, if the journal was compacted while it was disconnected", async () => {
    await start();
    const follower = followed();
    await change(500, 50);
    await expectEqual(follower);
    proxy.refuse();
    await change(1000, 50, 1);
    for (const { name } of engine.flags.list().slice(0, 10)) await engine.flags.delete(name);
    await engine.store.compact(engine.revision());
    proxy.admit();
    await expectEqual(follower);
    expect(KINDS.map((kind) => follower.snapshots(kind))).toEqual([2, 2, 2]);
  });

  it("is freed by failed pings if its connection dies silently, and itself notices that and reconnects", {
    timeout: 60_000,
  }, async () => {
    await start({ pingIntervalMs: 50, pingTimeoutMs: 200 });
    const follower = followed({ missedHeartbeats: 2 });
    await change(50, 20);
    await expectEqual(follower);
    const before = proxy.connections;
    proxy.silence();
    await until(() => engine.clients.list().length === 0);
    await change(200, 20, 1);
    await expectEqual(follower);
    expect(proxy.connections).toBeGreaterThan(before);
  });

  it("gets its heartbeats, and breakers keep their timeouts, while the clock is stepped by an hour, to and fro", async () => {
    let offset = 0;
    await start({ clock: { ...systemClock, now: () => Date.now() + offset } });
    const follower = followed();
    await change(50, 20);
    await engine.breakers.getOrCreate("exchange", { failureThreshold: 1, timeoutMs: 600_000 });
    engine.breakers.record("exchange", engine.breakers.acquire("exchange"), "FAILURE");
    await engine.breakers.stored();
    const connections = proxy.connections;
    for (const step of [3_600_000, -7_200_000, 3_600_000]) {
      offset += step;
      await change(50, 20, Math.abs(step));
      await expectEqual(follower);
      // A watcher of breakers receives no flags; a heartbeat brings it to their revision.
      expect(engine.breakers.get("exchange").state).toBe("OPEN");
    }
    expect(proxy.connections).toBe(connections);
    expect(KINDS.map((kind) => follower.snapshots(kind))).toEqual([1, 1, 1]);
  });
});

describe("the process of a watcher", () => {
  let child: ChildProcess;
  afterEach(() => child?.kill("SIGKILL"));

  const reports = (): ((revision: number) => Promise<Report>) => {
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) throw new Error("it has no pipes");
    const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    return async (revision) => {
      stdin.write(`${revision}\n`);
      return JSON.parse((await lines.next()).value as string) as Report;
    };
  };
  interface Report {
    readonly views: Record<string, Record<string, number>>;
    readonly snapshots: readonly number[];
    readonly wentBack: readonly string[];
    readonly rss: number;
  }

  it.each([
    { what: "keeps its streams, and little of the server's memory", pings: {}, freed: false },
    { what: "is freed when it answers no pings", pings: { pingIntervalMs: 50, pingTimeoutMs: 200 }, freed: true },
  ])(
    "ends with the state of the server after it was stopped and continued, and meanwhile $what",
    async ({ pings, freed }) => {
      await start(pings);
      await change(200, 50);
      child = spawn(process.execPath, [WATCHER, server.url, "stopped"], { stdio: ["pipe", "pipe", "inherit", "ipc"] });
      const report = reports();
      await report(engine.revision());
      child.kill("SIGSTOP");
      if (freed) await until(() => engine.clients.list().length === 0);
      const memory: number[] = [];
      for (let round = 1; round <= 5; round += 1) {
        await change(2000, 2500, round);
        for (const { waiting } of engine.clients.list()) expect(waiting).toBeLessThanOrEqual(QUEUE_LIMIT);
        global.gc?.();
        memory.push(process.memoryUsage().heapUsed);
      }
      // 10,000 changes of about 1 kB, three times over, if they were kept. The garbage collector is not called.
      expect(Math.max(...memory) - (memory[0] ?? 0)).toBeLessThan(150 * 1024 * 1024);
      expect(engine.clients.list()).toHaveLength(freed ? 0 : 3);
      child.kill("SIGCONT");
      const { views, wentBack, rss } = await report(engine.revision());
      for (const kind of KINDS) expect(views[kind]).toEqual(await present(client, kind));
      expect(wentBack).toEqual([]);
      expect(rss).toBeLessThan(400 * 1024 * 1024);
    },
  );
});

describe("a server", () => {
  let own: OwnServer | undefined;
  afterEach(() => own?.stop());

  it("a server that is killed and restarted lets every watcher resume where it was", { timeout: 60_000 }, async () => {
    const flags = ["--data-dir", join(directory, "data"), "--modules-root", MODULES, "--log-level", "silent"];
    own = await startOwnServer(flags);
    proxy = await startProxy(() => Number(new URL(own?.baseUrl ?? "").port));
    watching = createHeliosClient({ baseUrl: proxy.baseUrl });
    client = createHeliosClient({ baseUrl: proxy.baseUrl });
    const follower = followed();
    let revision = 0n;
    const write = async (n: number, round: number): Promise<void> => {
      const set = { name: `x${n % 20}`, percentage: (n + round) % 100, allowMissing: true };
      const { flag } = await client.flags.setPercentage(set);
      revision = flag?.revision ?? revision;
      if (n % 10 === 9) await client.breakers.getOrCreateBreaker({ name: `b${round}-${n}` });
      if (n % 100 === 50) await client.modules.registerModule({ name: `m${round}-${n}`, modulePath: "echo" });
    };
    for (let round = 0; round < 3; round += 1) {
      const { process } = own;
      const writing = (async () => {
        for (let n = 0; process.signalCode === null; n += 1) {
          // The first call after a start may find the old connection.
          await write(n, round).catch(() => {});
        }
      })();
      await until(() => follower.revision() > 100 * (round + 1));
      const exited = once(process, "exit");
      process.kill("SIGKILL");
      await Promise.all([exited, writing]);
      await own.stop();
      own = await startOwnServer(flags);
    }
    const { status } = await client.status.getStatus({});
    expect(status?.revision).toBeGreaterThanOrEqual(revision);
    await follower.reached(Number(status?.revision));
    for (const kind of KINDS) expect(follower.view(kind)).toEqual(await present(client, kind));
    expect(follower.wentBack).toEqual([]);
    expect(KINDS.map((kind) => follower.snapshots(kind))).toEqual([1, 1, 1]);
  });
});
