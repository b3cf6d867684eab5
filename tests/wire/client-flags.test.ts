import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ConnectOptions, connect, type FlagChange, type Helios } from "../../clients/typescript/src/index.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { createManualClock, systemClock } from "../../src/kernel/clock.ts";
import { compileCondition } from "../../src/server/cel/condition.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { until } from "../support/until.ts";

let directory: string;
let engine: Engine;
let server: Server;
const clients: Helios[] = [];
const logged: string[] = [];

async function start(port = 0): Promise<void> {
  engine = await createEngine({ modulesRoot: directory, dataDir: join(directory, "data"), compileCondition });
  server = await startServer({ engine, host: "127.0.0.1", port, version: "test", log: () => {}, graceMs: 0 });
}

async function stop(): Promise<void> {
  await server.drain();
  await engine.close();
}

function client(options: ConnectOptions = {}, url = server.url): Helios {
  const log = (level: string, message: string): void => void logged.push(`${level}: ${message}`);
  const made = connect(url, { clientId: "trader-1", log, ...options });
  clients.push(made);
  return made;
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "helios-client-"));
  logged.length = 0;
  await start();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((one) => one.close()));
  await stop();
  rmSync(directory, { recursive: true, force: true });
});

const NAME = "neural_network_v2";

describe("a client that decides flags", () => {
  it("decides as the service does, and follows its changes", async () => {
    const helios = client();
    expect(helios.flags.details(NAME, {}, false)).toMatchObject({ source: "DEFAULT", errorCode: "NOT_READY" });
    expect(await helios.ready()).toBe(true);
    const changes: FlagChange[] = [];
    helios.flags.onChange([NAME], (change) => changes.push(change));
    await helios.flags.setPercentage(NAME, 50, { actor: "alice", reason: "ramp" });
    await until(() => changes.length === 1);
    expect(changes[0]).toMatchObject({
      name: NAME,
      cause: { action: "SetPercentage", actor: "alice", reason: "ramp" },
    });
    for (let n = 0; n < 200; n += 1) {
      const sessionId = `session-${n}`;
      const { evaluation } = await helios.rpc.flags.evaluateFlag({ name: NAME, context: { sessionId } });
      expect([sessionId, helios.flags.isEnabled(NAME, { sessionId })]).toEqual([sessionId, evaluation?.enabled]);
    }
    expect(helios.flags.details(NAME, {}, false)).toMatchObject({ source: "LIVE", reason: "SPLIT" });
  });

  it("answers with its own id where the context has no session, the same way each time", async () => {
    const [one, other] = [client({ clientId: "a" }), client({ clientId: "b" })];
    await Promise.all([one.ready(), other.ready()]);
    await one.flags.addToWhitelist("only_a", ["session_id:a"]);
    await until(() => other.flags.get("only_a") !== undefined && one.flags.get("only_a") !== undefined);
    expect([one.flags.isEnabled("only_a"), other.flags.isEnabled("only_a")]).toEqual([true, false]);
  });

  it("goes on deciding while the service is away, says how old that is, and catches up when it is back", async () => {
    const helios = client();
    await helios.ready();
    await helios.flags.setPercentage(NAME, 100);
    await until(() => helios.flags.isEnabled(NAME));
    const { port } = server;
    await stop();
    await until(() => helios.flags.details(NAME, {}, false).source === "STALE");
    const { value, ageMs } = helios.flags.details(NAME, {}, false);
    expect([value, Number.isFinite(ageMs)]).toEqual([true, true]);
    await start(port);
    await engine.flags.disable(NAME, {}, { actor: "test" });
    await until(() => !helios.flags.isEnabled(NAME));
    expect(helios.flags.details(NAME, {}, true)).toMatchObject({ value: false, source: "LIVE" });
  });

  it("starts from its snapshot file while the service is away, and says so", async () => {
    const snapshotFile = join(directory, "state", "helios.snapshot");
    const first = client({ snapshotFile });
    await first.ready();
    await first.flags.setPercentage(NAME, 100);
    await until(() => first.flags.isEnabled(NAME));
    await first.close();
    const { port, url } = server;
    await stop();
    const second = client({ snapshotFile }, url);
    expect(await second.ready({ timeoutMs: 50 })).toBe(false);
    await until(() => second.flags.details(NAME, {}, false).source === "SNAPSHOT");
    expect(second.flags.isEnabled(NAME)).toBe(true);
    expect(logged.some((line) => line.includes("are from the snapshot file"))).toBe(true);
    await start(port);
    expect(await second.ready({ timeoutMs: 20_000 })).toBe(true);
    expect(second.flags.details(NAME, {}, false)).toMatchObject({ value: true, source: "LIVE" });
  });

  it("replaces all that it knows when the service has another store", async () => {
    const helios = client();
    await helios.ready();
    await helios.flags.setPercentage("of_the_old_store", 100);
    await until(() => helios.flags.isEnabled("of_the_old_store"));
    const { port } = server;
    await stop();
    rmSync(join(directory, "data"), { recursive: true });
    await start(port);
    await until(() => helios.flags.get("of_the_old_store") === undefined);
    expect(helios.flags.get(NAME)).toBeDefined();
  });

  it("reports how often its flags were asked for", async () => {
    const helios = client();
    await helios.ready();
    for (let n = 0; n < 5; n += 1) helios.flags.isEnabled(NAME);
    await helios.close();
    const operator = client({ clientId: "operator" });
    await operator.ready();
    const { usage } = await operator.rpc.flags.getFlagUsage({ name: NAME });
    expect(usage).toMatchObject({ clients: 1, count: 5n });
  });

  it("shows what it is and knows, and what it has applied", async () => {
    const helios = client();
    await helios.ready();
    const { flag } = await helios.flags.setPercentage(NAME, 10).then((changed) => ({ flag: changed }));
    const waited = await helios.rpc.status.waitForRevision({ revision: flag.revision, all: true });
    expect(waited).toMatchObject({ reached: true, acknowledgedClients: 1 });
    const { status } = await helios.rpc.status.getStatus({});
    expect(status?.watches).toMatchObject([
      { clientId: "trader-1", rpc: "WatchFlags", client: { library: expect.stringMatching(/^helios-typescript\//) } },
    ]);
  });

  it("decides schedules by the clock of the service, however wrong its own is", async () => {
    const wrong = createManualClock(Date.now() - 3_600_000);
    const clock = { ...systemClock, now: () => wrong.now() };
    const helios = client({ clock });
    await helios.ready();
    const now = Date.now();
    await engine.flags.setGradual(
      "hour",
      {
        ...{ initialPercentage: 0, targetPercentage: 100, startTime: now - 60_000, endTime: now - 30_000 },
        ...{ allowPast: true, allowMissing: true },
      },
      { actor: "test" },
    );
    await until(() => helios.flags.get("hour") !== undefined);
    await until(() => helios.flags.isEnabled("hour"));
  });

  it("refuses wrong options with their names", () => {
    expect(() => connect("nowhere")).toThrow(/baseUrl/);
    expect(() => connect(server.url, { maxSnapshotAgeMs: -1 })).toThrow(/maxSnapshotAgeMs/);
    expect(() => client().ready({ timeoutMs: Number.NaN })).toThrow(/timeoutMs/);
  });
});
