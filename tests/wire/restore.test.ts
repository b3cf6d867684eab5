import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHeliosClient, type HeliosClient, watchFlags } from "../../clients/typescript/src/index.ts";
import { Strategy } from "../../gen/helios/v1/flag_pb.ts";
import { createEngine, type Engine, type Log } from "../../src/core/index.ts";
import { backUp, restore } from "../../src/core/store/sqlite/backup.ts";
import { type Server, startServer } from "../../src/server/server.ts";

let directory: string;
let engine: Engine;
let server: Server;
let client: HeliosClient;
let port = 0;
let logged: { readonly level: string; readonly message: string }[];

const log: Log = (_, level, message) => void logged.push({ level, message });

async function start(): Promise<void> {
  engine = await createEngine({ modulesRoot: directory, dataDir: join(directory, "data"), log });
  server = await startServer({ engine, host: "127.0.0.1", port, version: "test", log: () => {}, graceMs: 50 });
  port = Number(new URL(server.url).port);
}

async function stop(): Promise<void> {
  await server.drain();
  await engine.close();
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "helios-restore-"));
  logged = [];
  port = 0;
  await start();
  client = createHeliosClient({ baseUrl: server.url, clientId: "trader" });
});

afterEach(async () => {
  client.close();
  await stop();
  rmSync(directory, { recursive: true, force: true });
});

/** The state of a program that watches flags: whether each is enabled, by name. */
interface Held {
  readonly flags: Map<string, boolean>;
  snapshots: number;
  token: string;
  stop(): Promise<void>;
  until(condition: () => boolean): Promise<void>;
}

function hold(resumeToken = "", known: ReadonlyMap<string, boolean> = new Map()): Held {
  const ending = new AbortController();
  const waiting = new Set<() => void>();
  const held: Held = {
    flags: new Map(known),
    snapshots: 0,
    token: resumeToken,
    async stop() {
      ending.abort();
      await running;
    },
    until: (condition) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!condition()) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
  const run = async (): Promise<void> => {
    const events = watchFlags(client, { signal: ending.signal, resumeToken, heartbeatIntervalMs: 1000 });
    for await (const event of events) {
      if (event.kind === "snapshot") {
        held.flags.clear();
        held.snapshots += 1;
        for (const { name, enabled } of event.items) held.flags.set(name, enabled);
      }
      if (event.kind === "put") held.flags.set(event.item.name, event.item.enabled);
      if (event.kind === "deleted") held.flags.delete(event.deleted.name);
      held.token = event.resumeToken;
      for (const look of [...waiting]) look();
    }
  };
  const running = run().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
  });
  return held;
}

const create = (name: string) => client.flags.createFlag({ flag: { name, enabled: true, strategy: Strategy.ALL_ON } });
const present = async (): Promise<ReadonlyMap<string, boolean>> => {
  const { flags } = await client.flags.listFlags({ pageSize: 1000 });
  return new Map(flags.map(({ name, enabled }) => [name, enabled]));
};

describe("a store that is restored from a backup", () => {
  it("replaces everything that the typed client holds with what the store has", async () => {
    const held = hold();
    await create("kept");
    backUp(join(directory, "data"), join(directory, "backup"), new Date());
    await create("lost");
    await held.until(() => held.flags.has("lost"));
    await stop();
    restore(join(directory, "backup"), join(directory, "data"), true, () => crypto.randomUUID());
    await start();
    // The restored store reaches the revision that the client has seen, and passes it.
    await create("later");
    await create("latest");
    await held.until(() => held.flags.has("latest") && held.snapshots > 1);
    expect(held.flags).toEqual(await present());
    expect(held.flags.has("lost")).toBe(false);
    expect(held.flags.has("kept")).toBe(true);
    await held.stop();
  });
});

describe("an older copy of the database in place of the present one", () => {
  it("is detected by a client that has seen more, and every client starts over, also earlier ones", async () => {
    await create("kept");
    await stop();
    const file = join(directory, "data", "helios.db");
    copyFileSync(file, `${file}.old`);
    await start();
    const behind = hold();
    await create("lost");
    await behind.until(() => behind.flags.has("lost"));
    await behind.stop();
    const ahead = hold();
    for (let n = 0; n < 5; n += 1) await create(`lost-${n}`);
    await ahead.until(() => ahead.flags.has("lost-4"));
    await ahead.stop();
    await stop();
    copyFileSync(`${file}.old`, file);
    await start();
    const { incarnation } = engine.store;
    await create("new");
    await create("newest");
    // The last revision that this client has seen now belongs to another change.
    const quiet = hold(behind.token, behind.flags);
    await quiet.until(() => quiet.token !== "" && quiet.token !== behind.token);
    expect(quiet.flags.has("lost")).toBe(true);
    expect((await client.status.getStatus({})).status?.healthy).toBe(true);
    const loud = hold(ahead.token, ahead.flags);
    await loud.until(() => loud.snapshots > 0);
    await quiet.until(() => quiet.snapshots > 0);
    expect(quiet.flags).toEqual(await present());
    expect(loud.flags).toEqual(await present());
    expect(engine.store.incarnation).not.toBe(incarnation);
    const { status } = await client.status.getStatus({});
    expect(status?.unhealthy).toMatchObject([{ name: "data", state: "SET_BACK" }]);
    expect(logged.filter(({ level }) => level === "error")).toHaveLength(1);
    await Promise.all([quiet.stop(), loud.stop()]);
  });
});
