import { describe, expect, it } from "vitest";
import { Pending } from "../../../clients/typescript/src/breaker/pending.ts";
import { MOST_REPORTS } from "../../../clients/typescript/src/breaker/reporter.ts";
import type { BreakerConfigFields, ClientBreaker } from "../../../clients/typescript/src/index.ts";
import { Outcome } from "../../../gen/helios/v1/breaker_service_pb.ts";
import { type House, house, type Peer } from "./rig.ts";

const FAST = { failureThreshold: 3, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };

async function withBreaker(
  config: BreakerConfigFields = FAST,
): Promise<House & Peer & { readonly api: ClientBreaker }> {
  const home = await house();
  const peer = home.connect("one");
  const api = peer.breakers.breaker("api", config);
  await home.quiet();
  return { ...home, ...peer, api };
}

const record = (breaker: ClientBreaker, ...outcomes: readonly ("SUCCESS" | "FAILURE" | "IGNORED")[]): void => {
  for (const outcome of outcomes) breaker.tryAcquire()?.settle(outcome);
};

describe("the outcomes that a client reports", () => {
  it("are all counted, even if the same client name was used 54 times before, or is used twice at once", async () => {
    const home = await withBreaker();
    for (let life = 0; life < 54; life += 1) {
      const { breakers } = home.connect("replica");
      const api = breakers.breaker("api", FAST);
      await home.quiet();
      record(api, "SUCCESS", "SUCCESS");
      await home.pass(100);
      record(api, "SUCCESS");
      await home.pass(100);
      await breakers.close();
    }
    expect(home.service.get("api").counts.successes).toBe(54 * 3);
    const pair = [home.connect("replica"), home.connect("replica")].map(({ breakers }) =>
      breakers.breaker("api", FAST),
    );
    await home.quiet();
    for (let turn = 0; turn < 5; turn += 1) {
      for (const api of pair) record(api, "SUCCESS");
      await home.pass(100);
    }
    expect(home.service.get("api").counts.successes).toBe(54 * 3 + 10);
  });

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
    const home = await withBreaker();
    record(home.api, "SUCCESS", "SUCCESS", "FAILURE", "IGNORED", "SUCCESS");
    await home.pass(50);
    expect(home.api.status().unreported).toBe(5);
    expect(home.link.reports).toEqual([]);
    await home.pass(50);
    record(home.api, "SUCCESS");
    await home.pass(100);
    expect(home.link.reports.map(({ clientId, seq }) => `${clientId} ${seq}`)).toEqual(["one 1", "one 2"]);
    const [report] = home.link.reports[0]?.reports ?? [];
    expect(report).toMatchObject({ name: "api", epoch: 1n, leaseId: "" });
    expect(report?.runs.map(({ outcome, count }) => [outcome, count])).toEqual([
      [Outcome.SUCCESS, 2],
      [Outcome.FAILURE, 1],
      [Outcome.IGNORED, 1],
      [Outcome.SUCCESS, 1],
    ]);
    expect(home.api.status()).toMatchObject({ unreported: 0, dropped: 0 });
  });

  it("of many breakers are sent together", async () => {
    const home = await withBreaker();
    const others = ["b", "c"].map((name) => home.breakers.breaker(name));
    await home.quiet();
    for (const breaker of [home.api, ...others]) record(breaker, "SUCCESS");
    await home.pass(100);
    expect(home.link.reports.map(({ reports }) => reports.map(({ name }) => name))).toEqual([["api", "b", "c"]]);
  });

  it("are sent at once if they could trip the breaker", async () => {
    const home = await withBreaker();
    record(home.api, "FAILURE", "FAILURE", "FAILURE");
    await home.quiet();
    expect(home.service.get("api").state).toBe("OPEN");
  });

  it("are sent under a generated id if the client has none", async () => {
    const home = await house();
    const peers = [home.connect(), home.connect()];
    for (const { breakers } of peers) record(breakers.breaker("api"), "SUCCESS");
    await home.pass(100);
    const ids = peers.map(({ link }) => link.reports[0]?.clientId);
    expect(ids.every((id) => id !== undefined && id !== "")).toBe(true);
    expect(new Set(ids).size).toBe(2);
  });

  it("say of each call whether it was slow, by the threshold of the breaker", async () => {
    const home = await withBreaker({ ...FAST, slowCallDurationMs: 200, slowCallRate: 1, minimumCalls: 100 });
    home.api.tryAcquire()?.settle("SUCCESS", 200);
    home.api.tryAcquire()?.settle("SUCCESS", 201);
    const measured = home.api.tryAcquire();
    const work = Promise.withResolvers<void>();
    const call = home.api.call(() => work.promise);
    home.clock.advance(201);
    measured?.settle("FAILURE");
    work.resolve();
    await call;
    await home.pass(100);
    expect(home.service.get("api").counts).toMatchObject({ successes: 3, failures: 1, slow: 3 });
  });

  it("also trip the breaker locally by a rate", async () => {
    const home = await withBreaker({ failureThreshold: 100, failureRate: 0.5, minimumCalls: 4 });
    record(home.api, "SUCCESS", "FAILURE", "SUCCESS");
    expect(home.api.status().state).toBe("CLOSED");
    record(home.api, "FAILURE");
    expect(home.api.status()).toMatchObject({ state: "OPEN", source: "LOCAL" });
    await home.quiet();
    expect(home.api.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
  });
});

describe("a report", () => {
  it("is sent again unchanged if it was lost", async () => {
    const home = await withBreaker();
    const release = home.link.holdCalls("ReportOutcomes");
    record(home.api, "FAILURE");
    await home.pass(100);
    record(home.api, "SUCCESS");
    home.link.down();
    release();
    await home.quiet();
    home.link.up();
    await home.pass(2000);
    const [first, second, third] = home.link.reports;
    expect(second).toEqual(first);
    expect(third).toMatchObject({ seq: 2n, reports: [{ runs: [{ outcome: Outcome.SUCCESS, count: 1 }] }] });
    expect(home.service.get("api").counts).toMatchObject({ failures: 1, successes: 1 });
    expect(home.api.status()).toMatchObject({ unreported: 0, dropped: 0 });
  });

  it("is counted once if its answer was lost and it is sent again", async () => {
    const home = await withBreaker();
    home.link.loseAnswers("ReportOutcomes", 2);
    record(home.api, "FAILURE", "FAILURE");
    await home.pass(1000);
    expect(home.link.reports.map(({ seq }) => seq)).toEqual([1n, 1n, 1n]);
    expect(home.service.get("api")).toMatchObject({ state: "CLOSED", counts: { failures: 2 } });
    record(home.api, "SUCCESS");
    await home.pass(100);
    expect(home.link.reports.at(-1)?.seq).toBe(2n);
    expect(home.service.get("api").counts).toMatchObject({ failures: 2, successes: 1 });
  });

  it("of a process with the id of an earlier process is counted, whatever numbers that one used", async () => {
    const home = await withBreaker();
    for (let batch = 0; batch < 20; batch += 1) {
      record(home.api, "SUCCESS");
      await home.pass(100);
    }
    await home.breakers.close();
    const next = home.connect("one");
    const api = next.breakers.breaker("api", FAST);
    await home.quiet();
    for (let batch = 0; batch < 3; batch += 1) {
      record(api, "FAILURE", "SUCCESS");
      await home.pass(100);
    }
    expect(home.service.get("api").counts).toMatchObject({ failures: 3, successes: 23 });
    expect(next.link.reports.map(({ seq }) => seq)).toEqual([1n, 2n, 3n]);
  });

  it("waits until its breaker has been created", async () => {
    const home = await withBreaker();
    const release = home.link.holdCalls("GetOrCreateBreaker");
    const other = home.breakers.breaker("other");
    record(other, "SUCCESS");
    record(home.api, "SUCCESS");
    await home.pass(100);
    expect(home.service.get("api").counts.successes).toBe(1);
    expect(other.status()).toMatchObject({ unreported: 1, connected: false });
    release();
    await home.pass(100);
    expect(other.status()).toMatchObject({ unreported: 0, dropped: 0, connected: true });
  });

  it("of a breaker that was deleted causes the client to create it again", async () => {
    const home = await withBreaker();
    // Otherwise the client would learn of the deletion from its watch.
    home.link.holdCalls("WatchBreakers");
    home.link.down();
    home.link.up();
    await home.service.delete("api");
    record(home.api, "FAILURE");
    await home.pass(100);
    expect(home.service.get("api")).toMatchObject({ config: FAST, counts: { failures: 0 } });
    expect(home.api.status()).toMatchObject({ unreported: 0, dropped: 1 });
  });
});

describe("while the service is away", () => {
  it("equal outcomes are merged, so that memory is bounded", async () => {
    const home = await withBreaker({ failureThreshold: 1_000_000 });
    home.link.down();
    await home.pass(31_000);
    for (let call = 0; call < 50_000; call += 1) record(home.api, call % 2 === 0 ? "SUCCESS" : "FAILURE");
    expect(home.api.status()).toMatchObject({ connected: false, unreported: 50_000, dropped: 0 });
    home.link.up();
    await home.pass(20_000);
    expect(home.api.status()).toMatchObject({ unreported: 0, dropped: 0 });
    expect(home.link.reports.at(-1)?.reports[0]?.runs).toHaveLength(2);
  });

  it("the oldest outcomes are dropped when too many wait, and the status says how many", async () => {
    const home = await withBreaker({ failureThreshold: 1_000_000 });
    home.link.down();
    for (let call = 0; call < 10_000; call += 1) record(home.api, call % 2 === 0 ? "SUCCESS" : "FAILURE");
    const { unreported, dropped } = home.api.status();
    expect(unreported + dropped).toBe(10_000);
    expect(unreported).toBeLessThan(5000);
    home.link.up();
    await home.pass(10_000);
    expect(home.api.status()).toMatchObject({ unreported: 0, dropped });
    const { counts } = home.service.get("api");
    expect(counts.successes + counts.failures).toBe(unreported);
  });

  it("the client retries less and less often", async () => {
    const home = await withBreaker();
    home.link.down();
    record(home.api, "SUCCESS");
    await home.pass(60_000);
    expect(home.link.reports.length).toBeLessThan(25);
    expect(home.link.reports.length).toBeGreaterThan(5);
  });
});
