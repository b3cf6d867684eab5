import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHeliosClient, type HeliosClient, watchBreakers } from "../../clients/typescript/src/index.ts";
import { BreakerState } from "../../gen/helios/v1/breaker_pb.ts";
import { Outcome } from "../../gen/helios/v1/breaker_service_pb.ts";
import { createEngine, createManualClock, type Engine, type ManualClock } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { SOAK } from "../support/soak.ts";

const CONNECTIONS = 10;
const name = "exchange";
const TIMEOUT_MS = 60_000;
const timeout = { seconds: BigInt(TIMEOUT_MS / 1000) };

let directory: string;
let clock: ManualClock;
let engine: Engine;
let server: Server;
let connections: HeliosClient[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "helios-breakers-"));
  clock = createManualClock();
  engine = await createEngine({ modulesRoot: directory, dataDir: join(directory, "data"), clock });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "test", log: () => {}, graceMs: 200 });
  connections = Array.from({ length: CONNECTIONS }, () => createHeliosClient({ baseUrl: server.url }));
});

afterEach(async () => {
  for (const connection of connections) connection.close();
  // The grace period ends in real time, and the engine's clock stands still.
  const drained = server.drain();
  clock.advance(1000);
  await drained;
  await engine.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Behaves like a separate trading service, over one of the connections. */
const client = (index: number) => {
  const connection = connections[index % CONNECTIONS];
  if (connection === undefined) throw new Error("there are no connections");
  const clientId = `client-${index}`;
  let seq = 0n;
  return {
    clientId,
    acquire: () => connection.breakers.acquirePermit({ name, clientId }),
    report: (outcome: Outcome, { epoch, leaseId = "" }: { epoch: bigint; leaseId?: string }, count = 1) => {
      seq += 1n;
      const reports = [{ name, epoch, leaseId, runs: [{ outcome, count }] }];
      return connection.breakers.reportOutcomes({ clientId, seq, reports });
    },
  };
};

const operator = (): HeliosClient["breakers"] => {
  const [first] = connections;
  if (first === undefined) throw new Error("there are no connections");
  return first.breakers;
};
const state = async () => (await operator().getBreaker({ name })).breaker;

describe("a thousand clients", () => {
  async function probe(windows: number, probeConcurrency: number): Promise<void> {
    const config = { failureThreshold: 1, timeout, successThreshold: 10, probeConcurrency };
    await operator().getOrCreateBreaker({ name, config });
    const clients = Array.from({ length: 1000 }, (_, index) => client(index));
    const [first] = clients;
    await first?.report(Outcome.FAILURE, { epoch: 1n });
    for (let window = 0; window < windows; window += 1) {
      expect((await state())?.state).toBe(BreakerState.OPEN);
      clock.advance(TIMEOUT_MS);
      const answers = await Promise.all(clients.map(async (one) => ({ one, permit: await one.acquire() })));
      const probes = answers.filter(({ permit }) => permit.allowed);
      expect(probes).toHaveLength(probeConcurrency);
      expect(new Set(probes.map(({ permit }) => permit.leaseId)).size).toBe(probeConcurrency);
      expect(await state()).toMatchObject({ state: BreakerState.HALF_OPEN, probes: probeConcurrency });
      // The others report success nevertheless, but without a lease their outcomes have no vote.
      const { epoch = 0n } = answers[0]?.permit ?? {};
      const others = answers.filter(({ permit }) => !permit.allowed).slice(0, 50);
      await Promise.all(others.map(({ one }) => one.report(Outcome.SUCCESS, { epoch })));
      expect((await state())?.state).toBe(BreakerState.HALF_OPEN);
      const ends = await Promise.all(probes.map(({ one, permit }) => one.report(Outcome.FAILURE, permit)));
      expect(ends).toHaveLength(probeConcurrency);
    }
    expect((await state())?.reopenings).toBe(windows);
  }

  it("get 3 probes in a half-open window, and no more", () => probe(1, 3));
  it.each([1, 5])("get %i probes in every half-open window, and no more", { ...SOAK, timeout: 120_000 }, (count) =>
    probe(4, count),
  );
});

describe("one failing client of a hundred", () => {
  it("does not open the breaker for the others if a trip takes three reporters", async () => {
    const config = { failureRate: 0.5, minimumCalls: 20, timeout, minReporters: 3 };
    await operator().getOrCreateBreaker({ name, config });
    const clients = Array.from({ length: 100 }, (_, index) => client(index));
    for (let round = 0; round < 5; round += 1) {
      const reports = clients.map((one, index) =>
        one.report(index === 0 ? Outcome.FAILURE : Outcome.SUCCESS, { epoch: 1n }, index === 0 ? 40 : 2),
      );
      await Promise.all(reports);
    }
    expect(await state()).toMatchObject({
      state: BreakerState.CLOSED,
      isolatedClients: [{ clientId: "client-0", state: BreakerState.OPEN }],
    });
    const permits = await Promise.all(clients.map((one) => one.acquire()));
    expect(permits.map(({ allowed }) => allowed)).toEqual(clients.map((_, index) => index !== 0));
    expect(permits[0]).toMatchObject({ isolated: true });
  });
});

describe("a client that disconnects with a probe", () => {
  it("frees its slot at once, as a failure", async () => {
    await operator().getOrCreateBreaker({ name, config: { failureThreshold: 1, timeout, successThreshold: 1 } });
    const leaver = createHeliosClient({ baseUrl: server.url, clientId: "leaver" });
    const watching = watchBreakers(leaver, { names: [name] });
    await watching.next();
    await client(1).report(Outcome.FAILURE, { epoch: 1n });
    clock.advance(TIMEOUT_MS);
    const lost = await leaver.breakers.acquirePermit({ name, clientId: "leaver" });
    expect(lost.allowed).toBe(true);
    expect((await client(2).acquire()).allowed).toBe(false);
    const [, other] = connections;
    if (other === undefined) throw new Error("there are no connections");
    const changes = watchBreakers(other, { names: [name] });
    await changes.next();
    const ended = watching.next().catch(() => {});
    leaver.close();
    const change = await changes.next();
    expect(change.value).toMatchObject({
      kind: "put",
      cause: { action: "ClientLost" },
      item: { state: BreakerState.OPEN, probes: 0 },
    });
    await changes.return(undefined);
    await watching.return(undefined);
    await ended;
    clock.advance(TIMEOUT_MS);
    expect((await client(2).acquire()).allowed).toBe(true);
  });
});

describe("a report", () => {
  it("counts once if it is sent many times at once", async () => {
    await operator().getOrCreateBreaker({ name, config: { failureThreshold: 10 } });
    const reports = [{ name, epoch: 1n, runs: [{ outcome: Outcome.FAILURE, count: 3 }] }];
    const answers = await Promise.all(
      connections.map(({ breakers }) => breakers.reportOutcomes({ clientId: "one", seq: 1n, reports })),
    );
    expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(await state()).toMatchObject({ state: BreakerState.CLOSED, counts: { failures: 3n } });
  });
});
