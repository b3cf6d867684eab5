import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ClientBreaker } from "../../../clients/typescript/src/index.ts";
import type { OverrideKind } from "../../../src/kernel/breakers/policy/holds.ts";
import { times } from "../../effort.ts";
import { type Peer, type ServiceRig, serviceRig } from "./rig.ts";

const CLIENTS = ["one", "two", "three"] as const;

const client = fc.constantFrom(...CLIENTS);
const outcome = fc.constantFrom("SUCCESS" as const, "FAILURE" as const, "FAILURE" as const, "IGNORED" as const);
const doing = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant("call" as const), client, outcome, times: fc.nat(4) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("begin" as const), client }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("end" as const), outcome }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 700 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cut" as const), client }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("mend" as const), client }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), client }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("add" as const), client }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("override" as const),
      kind: fc.constantFrom<OverrideKind>("FORCED_OPEN", "FORCED_CLOSED", "DISABLED", "METRICS_ONLY"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom({ do: "release" as const }, { do: "reset" as const }, { do: "delete" as const }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("check" as const) }) },
);
type Doing = typeof doing extends fc.Arbitrary<infer T> ? T : never;

const configs = fc.record({
  failureThreshold: fc.integer({ min: 1, max: 4 }),
  timeoutMs: fc.constantFrom(300, 5000),
  successThreshold: fc.integer({ min: 1, max: 2 }),
  probeConcurrency: fc.integer({ min: 1, max: 2 }),
  probeTimeoutMs: fc.constant(400),
  failureRate: fc.constantFrom(null, 0.5),
  windowMs: fc.constantFrom(0, 1000),
  minimumCalls: fc.constant(4),
  minReporters: fc.constantFrom(1, 1, 2),
});

interface World extends ServiceRig {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly breakers: ReadonlyMap<string, ClientBreaker>;
  readonly permits: ({ settle(outcome: "SUCCESS" | "FAILURE" | "IGNORED"): void } | null)[];
  added: number;
}

async function run(world: World, step: Doing): Promise<void> {
  const { service } = world;
  const api = (name: string): ClientBreaker => world.breakers.get(name) ?? expect.fail();
  const link = (name: string): Peer["link"] => world.peers.get(name)?.link ?? expect.fail();
  switch (step.do) {
    case "call":
      for (let call = 0; call < step.times; call += 1) (await api(step.client).acquire())?.settle(step.outcome);
      return;
    case "begin":
      world.permits.push(await api(step.client).acquire());
      return;
    case "end":
      world.permits.shift()?.settle(step.outcome);
      return;
    case "pass":
      return world.pass(step.ms);
    case "cut":
      return link(step.client).down();
    case "mend":
      return link(step.client).up();
    case "lose":
      return link(step.client).loseAnswers("ReportOutcomes", 1);
    case "add":
      world.added += 1;
      world.peers.get(step.client)?.breakers.breaker(`other-${world.added}`);
      return;
    case "override":
      await service.override("api", { kind: step.kind });
      return;
    case "release":
      await service.releaseHold("api");
      return;
    case "reset":
      await service.reset("api");
      return;
    case "delete":
      await service.delete("api");
      return world.quiet();
    case "check":
      return agree(world);
  }
}

/** While a client is connected and idle, it gives the service's answer. */
async function agree(world: World): Promise<void> {
  for (const { link } of world.peers.values()) link.up();
  // A little longer than the longest wait of a client before it reconnects.
  await world.pass(6000);
  for (const [clientId, breaker] of world.breakers) {
    const { state, retryAfterMs, override, isolatedClients } = world.service.get("api");
    const alone = override === undefined ? isolatedClients.find((one) => one.clientId === clientId) : undefined;
    const status = { clientId, ...breaker.status() };
    expect(status).toMatchObject({ clientId, source: "SERVICE", override: override?.kind, unreported: 0 });
    // An isolated client learns only by a request that one of its own probes has expired.
    if (alone === undefined) expect(status).toMatchObject({ clientId, state });
    if (alone === undefined && state === "OPEN") expect(status.retryAfterMs).toBe(retryAfterMs);
    const permit = breaker.tryAcquire();
    expect([clientId, permit !== null]).toEqual([clientId, alone === undefined && state === "CLOSED"]);
    permit?.release();
  }
}

describe("a client that is connected and idle", () => {
  it("gives the same answer as the service, whatever happened before", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(configs, fc.array(doing, { minLength: 5, maxLength: 40 }), async (config, steps) => {
        const rig = await serviceRig();
        const peers = new Map(CLIENTS.map((name) => [name as string, rig.connect(name)]));
        const breakers = new Map([...peers].map(([name, peer]) => [name, peer.breakers.breaker("api", config)]));
        const world: World = { ...rig, peers, breakers, permits: [], added: 0 };
        await rig.quiet();
        for (const step of steps) await run(world, step);
        await agree(world);
        for (const { breakers: all } of peers.values()) await all.close();
      }),
      { numRuns: times(25, 150) },
    );
  });
});
