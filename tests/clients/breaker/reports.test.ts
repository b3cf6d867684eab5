import { describe, expect, it } from "vitest";
import { Pending } from "../../../clients/typescript/src/breaker/pending.ts";
import { MOST_REPORTS } from "../../../clients/typescript/src/breaker/reporter.ts";
import type { BreakerConfigFields, ClientBreaker } from "../../../clients/typescript/src/index.ts";
import { Outcome } from "../../../gen/helios/v1/breaker_service_pb.ts";
import { SOAK } from "../../support/soak.ts";
import { type Peer, type ServiceRig, serviceRig } from "./rig.ts";

const FAST = { failureThreshold: 3, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };

async function withBreaker(
  config: BreakerConfigFields = FAST,
): Promise<ServiceRig & Peer & { readonly api: ClientBreaker }> {
  const rig = await serviceRig();
  const peer = rig.connect("one");
  const api = peer.breakers.breaker("api", config);
  await rig.quiet();
  return { ...rig, ...peer, api };
}

const record = (breaker: ClientBreaker, ...outcomes: readonly ("SUCCESS" | "FAILURE" | "IGNORED")[]): void => {
  for (const outcome of outcomes) breaker.tryAcquire()?.settle(outcome);
};

describe("the outcomes that a client reports", () => {
  async function reused(lives: number): Promise<void> {
    const rig = await withBreaker();
    for (let life = 0; life < lives; life += 1) {
      const { breakers } = rig.connect("replica");
      const api = breakers.breaker("api", FAST);
      await rig.quiet();
      record(api, "SUCCESS", "SUCCESS");
      await rig.pass(100);
      record(api, "SUCCESS");
      await rig.pass(100);
      await breakers.close();
    }
    expect(rig.service.get("api").counts.successes).toBe(lives * 3);
    const pair = [rig.connect("replica"), rig.connect("replica")].map(({ breakers }) => breakers.breaker("api", FAST));
    await rig.quiet();
    for (let turn = 0; turn < 5; turn += 1) {
      for (const api of pair) record(api, "SUCCESS");
      await rig.pass(100);
    }
    expect(rig.service.get("api").counts.successes).toBe(lives * 3 + 10);
  }

  for (const [lives, options] of [
    [5, {}],
    [54, SOAK],
  ] as const) {
    const name = `are all counted, even if the same client name was used ${lives} times before, or is used twice at once`;
    it(name, options, () => reused(lives));
  }

  it("are sent in requests of the size that the contract allows, however many wait", () => {
    const pending = new Pending();
    // Each outcome of a probe is sent in a report of its own.
    for (let lease = 0; lease < 2500; lease += 1) pending.add(3, `lease-${lease}`, "SUCCESS", false);
    const sizes: number[] = [];
    while (!pending.isEmpty) {
      sizes.push(pending.take(MOST_REPORTS).length);
      expect(pending.unreported).toBe(2500 - sizes.slice(0, -1).reduce((sum, size) => sum + size, 0));
      pending.arrived();
    }
    expect(sizes).toEqual([1000, 1000, 500]);
    expect([pending.unreported, pending.dropped]).toEqual([0, 0]);
  });

  it("are sent every 100 ms, in order, as runs of equal outcomes, with the client's id and sequence numbers from 1", async () => {
    const rig = await withBreaker();
    record(rig.api, "SUCCESS", "SUCCESS", "FAILURE", "IGNORED", "SUCCESS");
    await rig.pass(50);
    expect(rig.api.status().unreported).toBe(5);
    expect(rig.link.reports).toEqual([]);
    await rig.pass(50);
    record(rig.api, "SUCCESS");
    await rig.pass(100);
    expect(rig.link.reports.map(({ clientId, seq }) => `${clientId} ${seq}`)).toEqual(["one 1", "one 2"]);
    const [report] = rig.link.reports[0]?.reports ?? [];
    expect(report).toMatchObject({ name: "api", epoch: 1n, leaseId: "" });
    expect(report?.runs.map(({ outcome, count }) => [outcome, count])).toEqual([
      [Outcome.SUCCESS, 2],
      [Outcome.FAILURE, 1],
      [Outcome.IGNORED, 1],
      [Outcome.SUCCESS, 1],
    ]);
    expect(rig.api.status()).toMatchObject({ unreported: 0, dropped: 0 });
  });

  it("outcomes of many breakers are sent together", async () => {
    const rig = await withBreaker();
    const others = ["b", "c"].map((name) => rig.breakers.breaker(name));
    await rig.quiet();
    for (const breaker of [rig.api, ...others]) record(breaker, "SUCCESS");
    await rig.pass(100);
    expect(rig.link.reports.map(({ reports }) => reports.map(({ name }) => name))).toEqual([["api", "b", "c"]]);
  });

  it("are sent at once if they could trip the breaker", async () => {
    const rig = await withBreaker();
    record(rig.api, "FAILURE", "FAILURE", "FAILURE");
    await rig.quiet();
    expect(rig.service.get("api").state).toBe("OPEN");
  });

  it("are sent under a generated id if the client has none", async () => {
    const rig = await serviceRig();
    const peers = [rig.connect(), rig.connect()];
    for (const { breakers } of peers) record(breakers.breaker("api"), "SUCCESS");
    await rig.pass(100);
    const ids = peers.map(({ link }) => link.reports[0]?.clientId);
    expect(ids.every((id) => id !== undefined && id !== "")).toBe(true);
    expect(new Set(ids).size).toBe(2);
  });

  it("say of each call whether it was slow, by the threshold of the breaker", async () => {
    const rig = await withBreaker({ ...FAST, slowCallDurationMs: 200, slowCallRate: 1, minimumCalls: 100 });
    rig.api.tryAcquire()?.settle("SUCCESS", 200);
    rig.api.tryAcquire()?.settle("SUCCESS", 201);
    const measured = rig.api.tryAcquire();
    const work = Promise.withResolvers<void>();
    const call = rig.api.call(() => work.promise);
    rig.clock.advance(201);
    measured?.settle("FAILURE");
    work.resolve();
    await call;
    await rig.pass(100);
    expect(rig.service.get("api").counts).toMatchObject({ successes: 3, failures: 1, slow: 3 });
  });

  it("also trip the breaker locally by a rate", async () => {
    const rig = await withBreaker({ failureThreshold: 100, failureRate: 0.5, minimumCalls: 4 });
    record(rig.api, "SUCCESS", "FAILURE", "SUCCESS");
    expect(rig.api.status().state).toBe("CLOSED");
    record(rig.api, "FAILURE");
    expect(rig.api.status()).toMatchObject({ state: "OPEN", source: "LOCAL" });
    await rig.quiet();
    expect(rig.api.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
  });
});

describe("a report", () => {
  it("is sent again unchanged if it was lost", async () => {
    const rig = await withBreaker();
    const release = rig.link.holdCalls("ReportOutcomes");
    record(rig.api, "FAILURE");
    await rig.pass(100);
    record(rig.api, "SUCCESS");
    rig.link.down();
    release();
    await rig.quiet();
    rig.link.up();
    await rig.pass(2000);
    const [first, second, third] = rig.link.reports;
    expect(second).toEqual(first);
    expect(third).toMatchObject({ seq: 2n, reports: [{ runs: [{ outcome: Outcome.SUCCESS, count: 1 }] }] });
    expect(rig.service.get("api").counts).toMatchObject({ failures: 1, successes: 1 });
    expect(rig.api.status()).toMatchObject({ unreported: 0, dropped: 0 });
  });

  it("is counted once if its answer was lost and it is sent again", async () => {
    const rig = await withBreaker();
    rig.link.loseAnswers("ReportOutcomes", 2);
    record(rig.api, "FAILURE", "FAILURE");
    await rig.pass(1000);
    expect(rig.link.reports.map(({ seq }) => seq)).toEqual([1n, 1n, 1n]);
    expect(rig.service.get("api")).toMatchObject({ state: "CLOSED", counts: { failures: 2 } });
    record(rig.api, "SUCCESS");
    await rig.pass(100);
    expect(rig.link.reports.at(-1)?.seq).toBe(2n);
    expect(rig.service.get("api").counts).toMatchObject({ failures: 2, successes: 1 });
  });

  it("a report of a process with the id of an earlier process is counted, whatever numbers that one used", async () => {
    const rig = await withBreaker();
    for (let batch = 0; batch < 20; batch += 1) {
      record(rig.api, "SUCCESS");
      await rig.pass(100);
    }
    await rig.breakers.close();
    const next = rig.connect("one");
    const api = next.breakers.breaker("api", FAST);
    await rig.quiet();
    for (let batch = 0; batch < 3; batch += 1) {
      record(api, "FAILURE", "SUCCESS");
      await rig.pass(100);
    }
    expect(rig.service.get("api").counts).toMatchObject({ failures: 3, successes: 23 });
    expect(next.link.reports.map(({ seq }) => seq)).toEqual([1n, 2n, 3n]);
  });

  it("waits until its breaker has been created", async () => {
    const rig = await withBreaker();
    const release = rig.link.holdCalls("GetOrCreateBreaker");
    const other = rig.breakers.breaker("other");
    record(other, "SUCCESS");
    record(rig.api, "SUCCESS");
    await rig.pass(100);
    expect(rig.service.get("api").counts.successes).toBe(1);
    expect(other.status()).toMatchObject({ unreported: 1, connected: false });
    release();
    await rig.pass(100);
    expect(other.status()).toMatchObject({ unreported: 0, dropped: 0, connected: true });
  });

  it("a report of a breaker that was deleted causes the client to create it again", async () => {
    const rig = await withBreaker();
    // Otherwise the client would learn of the deletion from its watch.
    rig.link.holdCalls("WatchBreakers");
    rig.link.down();
    rig.link.up();
    await rig.service.delete("api");
    record(rig.api, "FAILURE");
    await rig.pass(100);
    expect(rig.service.get("api")).toMatchObject({ config: FAST, counts: { failures: 0 } });
    expect(rig.api.status()).toMatchObject({ unreported: 0, dropped: 1 });
  });
});

describe("while the service is away", () => {
  it("equal outcomes are merged, so that memory is bounded", async () => {
    const rig = await withBreaker({ failureThreshold: 1_000_000 });
    rig.link.down();
    await rig.pass(31_000);
    for (let call = 0; call < 50_000; call += 1) record(rig.api, call % 2 === 0 ? "SUCCESS" : "FAILURE");
    expect(rig.api.status()).toMatchObject({ connected: false, unreported: 50_000, dropped: 0 });
    rig.link.up();
    await rig.pass(20_000);
    expect(rig.api.status()).toMatchObject({ unreported: 0, dropped: 0 });
    expect(rig.link.reports.at(-1)?.reports[0]?.runs).toHaveLength(2);
  });

  it("the oldest outcomes are dropped when too many wait, and the status says how many", async () => {
    const rig = await withBreaker({ failureThreshold: 1_000_000 });
    rig.link.down();
    for (let call = 0; call < 10_000; call += 1) record(rig.api, call % 2 === 0 ? "SUCCESS" : "FAILURE");
    const { unreported, dropped } = rig.api.status();
    expect(unreported + dropped).toBe(10_000);
    expect(unreported).toBeLessThan(5000);
    rig.link.up();
    await rig.pass(10_000);
    expect(rig.api.status()).toMatchObject({ unreported: 0, dropped });
    const { counts } = rig.service.get("api");
    expect(counts.successes + counts.failures).toBe(unreported);
  });

  it("the client retries less and less often", async () => {
    const rig = await withBreaker();
    rig.link.down();
    record(rig.api, "SUCCESS");
    await rig.pass(60_000);
    expect(rig.link.reports.length).toBeLessThan(25);
    expect(rig.link.reports.length).toBeGreaterThan(5);
  });
});
