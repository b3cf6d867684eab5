import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHeliosClient, errorInfo, type HeliosClient, watchEvents } from "../../clients/typescript/src/index.ts";
import { Domain, type Event } from "../../gen/helios/v1/status_service_pb.ts";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { until } from "../support/until.ts";
import { type Follower, follow } from "./follower.ts";

let directory: string;
let engine: Engine;
let server: Server;
let operator: HeliosClient;
let clients: HeliosClient[];
let followers: Follower[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "helios-clients-"));
  engine = await createEngine({ modulesRoot: directory });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "test", log: () => {}, graceMs: 200 });
  operator = createHeliosClient({ baseUrl: server.url });
  clients = [];
  followers = [];
});

afterEach(async () => {
  await Promise.all(followers.map((follower) => follower.stop()));
  for (const client of [operator, ...clients]) client.close();
  await server.drain();
  await engine.close();
  rmSync(directory, { recursive: true, force: true });
});

const connect = (clientId: string): HeliosClient => {
  const client = createHeliosClient({ baseUrl: server.url, clientId });
  clients.push(client);
  return client;
};

/** Watches flags, breakers and modules, and acknowledges revisions. */
async function trader(clientId: string): Promise<void> {
  const follower = follow(connect(clientId));
  followers.push(follower);
  await follower.reached(0);
}

const kill = async (): Promise<bigint> => {
  await operator.flags.setPercentage({ name: "neural_network_v2", percentage: 50 });
  const { flag } = await operator.flags.disableFlag({ name: "neural_network_v2", actor: "alice", reason: "losses" });
  return flag?.revision ?? 0n;
};

describe("an operator of clients", () => {
  it("learns when every trading service has received a kill", async () => {
    await Promise.all([trader("trader-1"), trader("trader-2")]);
    const revision = await kill();
    const answer = await operator.status.waitForRevision({ revision, minClients: 2, all: true });
    expect(answer).toMatchObject({ reached: true, acknowledgedClients: 2, pending: [], pendingTotal: 0 });
  });

  it("gets the names of clients that have not, and their positions", async () => {
    await trader("trader-1");
    const silent = operator.flags.watchFlags({ clientId: "old-client" })[Symbol.asyncIterator]();
    const unnamed = operator.flags.watchFlags({})[Symbol.asyncIterator]();
    await Promise.all([silent.next(), unnamed.next()]);
    const revision = await kill();
    const answer = await operator.status.waitForRevision({ revision, timeout: { seconds: 0n, nanos: 500_000_000 } });
    expect(answer).toMatchObject({
      reached: false,
      acknowledgedClients: 1,
      pending: [{ clientId: "old-client", watches: 1, acknowledgedRevision: 0n }],
      pendingTotal: 1,
      unnamedWatches: 1,
    });
    await Promise.all([silent.return?.(), unnamed.return?.()]);
  });

  it("sees which clients are connected, what they watch and how far they are", async () => {
    await trader("trader-1");
    const revision = await kill();
    await operator.status.waitForRevision({ revision });
    const { status } = await operator.status.getStatus({});
    expect(status?.incarnation).toBe(engine.store.incarnation);
    expect(status?.watchesTotal).toBe(3);
    expect(status?.watches.map(({ rpc }) => rpc).sort()).toEqual(["WatchBreakers", "WatchFlags", "WatchModules"]);
    for (const watch of status?.watches ?? []) {
      expect(watch).toMatchObject({ clientId: "trader-1", names: 0, lagRevisions: 0n, waiting: 0 });
      expect(watch.peer).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(watch.toldRevision).toBeGreaterThanOrEqual(revision);
      expect(watch.acknowledgedRevision).toBeGreaterThanOrEqual(revision);
    }
  });

  it("sees what the clients are and know, if they say it", async () => {
    const client = { library: "helios-test/1.0.0", contractVersion: 1, kernelVersion: 3 };
    const { flags, breakers, modules, status: statuses } = operator;
    const said = { clientId: "trader-1", client };
    const streams = [
      flags.watchFlags(said),
      breakers.watchBreakers(said),
      modules.watchModules(said),
      statuses.watchEvents({ ...said, heartbeatInterval: { seconds: 1n } }),
      flags.watchFlags({ clientId: "old-client" }),
    ].map((stream) => (stream as AsyncIterable<unknown>)[Symbol.asyncIterator]());
    await Promise.all(streams.map((stream) => stream.next()));
    const { status } = await operator.status.getStatus({});
    const infos = (id: string) =>
      status?.watches.filter(({ clientId }) => clientId === id).map((watch) => watch.client && { ...watch.client });
    expect(infos("trader-1")).toMatchObject([client, client, client, client]);
    expect(infos("old-client")).toEqual([undefined]);
    expect(status).toMatchObject({ contractVersion: 1, kernelVersion: 1 });
    await Promise.all(streams.map((stream) => stream.return?.()));
  });

  it("is refused an unknown revision, and one of another store", async () => {
    const revision = await kill();
    const requests = [{ revision: revision + 1n }, { revision: 2n ** 63n - 1n }, { revision, incarnation: "another" }];
    for (const request of requests) {
      const error = await operator.status.waitForRevision(request).catch((thrown: unknown) => thrown);
      expect(errorInfo(error)).toMatchObject({
        reason: "REVISION_UNKNOWN",
        metadata: { head_revision: String(revision), revision: String(request.revision) },
      });
    }
  });

  it("gets an answer from a server that shuts down", async () => {
    await trader("trader-1");
    const silent = operator.flags.watchFlags({ clientId: "old-client" })[Symbol.asyncIterator]();
    await silent.next();
    const revision = await kill();
    const waiting = operator.status.waitForRevision({ revision }).catch((thrown: unknown) => thrown);
    while ((await operator.status.waitForRevision({ revision, timeout: {} })).acknowledgedClients === 0);
    void server.drain();
    expect(errorInfo(await waiting)?.reason).toBe("SERVER_DRAINING");
    await silent.next().catch(() => {});
  });

  it("follows clients that connect and disconnect, and changes before a breaker opened", async () => {
    const events: Event[] = [];
    const stopped = new AbortController();
    const reading = (async () => {
      for await (const event of watchEvents(operator, { signal: stopped.signal })) events.push(event);
    })();
    while (engine.events.watcherCount === 0) await operator.status.getStatus({});
    const seen = async (text: RegExp): Promise<Event> => {
      const found = () => events.find((event) => text.test(event.text));
      await until(() => found() !== undefined);
      return found() as Event;
    };
    const client = connect("trader-1\n");
    const watch = client.flags.watchFlags({ clientId: client.clientId })[Symbol.asyncIterator]();
    await watch.next();
    const came = await seen(/^client trader-1\?: watches \(WatchFlags from 127\.0\.0\.1:\d+\)$/);
    expect(came).toMatchObject({ domain: Domain.CLIENTS, name: "trader-1?", cause: { action: "Connect" } });
    await watch.return?.();
    client.close();
    await seen(/^client trader-1\?: ended its watch/);

    const revision = await kill();
    await engine.breakers.getOrCreate("exchange", { failureThreshold: 1 });
    engine.breakers.record("exchange", engine.breakers.acquire("exchange"), "FAILURE");
    const trip = await seen(/OPEN/);
    expect(trip.text).toMatch(/\(Trip\); changed shortly before: neural_network_v2 \(DisableFlag by alice\), /);
    expect(trip.recentChanges[0]).toMatchObject({ domain: Domain.FLAGS, name: "neural_network_v2", revision });
    const { status } = await operator.status.getStatus({});
    const [unhealthy] = status?.unhealthy ?? [];
    expect(unhealthy).toMatchObject({ domain: Domain.BREAKERS, name: "exchange", cause: { action: "Trip" } });
    expect(unhealthy?.recentChanges[0]).toMatchObject({
      name: "neural_network_v2",
      revision,
      cause: { action: "DisableFlag", actor: "alice" },
    });
    stopped.abort();
    await reading;
  });
});
