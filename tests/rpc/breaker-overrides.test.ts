import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { BreakerOverride, BreakerState } from "../../gen/helios/v1/breaker_pb.ts";
import { Outcome } from "../../gen/helios/v1/breaker_service_pb.ts";
import { rig } from "./breaker-rig.ts";
import { failure } from "./served.ts";

const name = "api";
const seconds = (all: number) => ({ seconds: BigInt(all) });
const { FORCED_OPEN, FORCED_CLOSED, DISABLED, METRICS_ONLY, UNSPECIFIED } = BreakerOverride;

async function withBreaker(config: object = { failureThreshold: 2, timeout: seconds(10) }) {
  const setup = await rig();
  await setup.client.getOrCreateBreaker({ name, config });
  let seq = 0n;
  const report = (outcome: Outcome, count = 1, clientId = "reporter", slow = false) => {
    seq += 1n;
    const epoch = BigInt(setup.breakers.get(name).epoch);
    return setup.client.reportOutcomes({ clientId, seq, reports: [{ name, epoch, runs: [{ outcome, count, slow }] }] });
  };
  const get = async () => (await setup.client.getBreaker({ name })).breaker;
  return { ...setup, report, get };
}

describe("SetBreakerOverride", () => {
  it("an override with two holders ends when both release; a second release, and one by another, change nothing", async () => {
    const { client, feed, get } = await withBreaker();
    const ana = { name, override: FORCED_OPEN, holdId: "ana", actor: "ana", reason: "deploy" };
    await client.setBreakerOverride(ana);
    await client.setBreakerOverride({ name, override: FORCED_OPEN, holdId: "bob" });
    expect((await client.releaseBreakerHold({ name, holdId: "ana" })).breaker).toMatchObject({
      state: BreakerState.OPEN,
      holds: [{ holdId: "bob", override: FORCED_OPEN }],
    });
    const { revision } = feed;
    for (const holdId of ["ana", "nobody"]) await client.releaseBreakerHold({ name, holdId });
    expect(feed.revision).toBe(revision);
    await client.releaseBreakerHold({ name, holdId: "bob", actor: "bob", reason: "done" });
    expect(await get()).toMatchObject({
      state: BreakerState.CLOSED,
      override: UNSPECIFIED,
      holds: [],
      transitionCause: { action: "ReleaseBreakerHold", actor: "bob", reason: "done" },
    });
  });

  it("shows who set it, why and until when, and ends then with that name", async () => {
    const { client, clock, breakers, get } = await withBreaker();
    const now = clock.now();
    const request = { name, override: FORCED_CLOSED, ttl: seconds(60), actor: "ana", reason: "bad alarm" };
    const { breaker } = await client.setBreakerOverride(request);
    const [hold] = breaker?.holds ?? [];
    expect(hold).toMatchObject({
      holdId: "manual",
      override: FORCED_CLOSED,
      cause: { action: "SetBreakerOverride", actor: "ana", reason: "bad alarm" },
    });
    expect(hold?.createTime && timestampMs(hold.createTime)).toBe(now);
    expect(hold?.expireTime && timestampMs(hold.expireTime)).toBe(now + 60_000);
    clock.advance(59_999);
    expect((await get())?.override).toBe(FORCED_CLOSED);
    clock.advance(1);
    await breakers.stored();
    expect(await get()).toMatchObject({
      override: UNSPECIFIED,
      holds: [],
      transitionCause: { action: "HoldExpired", actor: "ana", reason: "bad alarm" },
    });
  });

  it("lets every call pass with FORCED_CLOSED, while the automatic state continues beneath", async () => {
    const { client, report, get } = await withBreaker();
    await client.setBreakerOverride({ name, override: FORCED_CLOSED });
    await report(Outcome.FAILURE, 2);
    expect(await get()).toMatchObject({ state: BreakerState.CLOSED, automaticState: BreakerState.OPEN });
    expect(await client.acquirePermit({ name })).toMatchObject({ allowed: true, override: FORCED_CLOSED });
    await client.releaseBreakerHold({ name });
    expect(await client.acquirePermit({ name })).toMatchObject({ allowed: false, state: BreakerState.OPEN });
  });

  it("counts nothing with DISABLED", async () => {
    const { client, report, get } = await withBreaker();
    await client.setBreakerOverride({ name, override: DISABLED });
    await report(Outcome.FAILURE, 50);
    expect(await get()).toMatchObject({ automaticState: BreakerState.CLOSED, counts: { failures: 0n } });
  });

  it("an override with METRICS_ONLY says once that the breaker would have opened, and lets every call pass", async () => {
    const { client, report, get } = await withBreaker();
    await client.setBreakerOverride({ name, override: METRICS_ONLY });
    await report(Outcome.FAILURE, 50);
    expect(await get()).toMatchObject({
      state: BreakerState.CLOSED,
      automaticState: BreakerState.OPEN,
      transitionCause: { action: "WouldTrip" },
    });
    expect((await client.acquirePermit({ name })).allowed).toBe(true);
  });

  it("shows the strongest of several holds", async () => {
    const { client, get } = await withBreaker();
    const kinds = [METRICS_ONLY, FORCED_CLOSED, DISABLED, FORCED_OPEN];
    for (const override of kinds) {
      await client.setBreakerOverride({ name, override, holdId: String(override) });
      expect((await get())?.override).toBe(override);
    }
    expect((await get())?.holds.map(({ override }) => override)).toEqual(kinds);
  });

  it("survives transitions of the automatic state and a restart, and ends with a reset", async () => {
    const { client, clock, report, get } = await withBreaker();
    await client.openBreaker({ name, holdId: "deploy", ttl: seconds(3600) });
    await report(Outcome.FAILURE, 2);
    clock.advance(10_000);
    expect(await get()).toMatchObject({ state: BreakerState.OPEN, override: FORCED_OPEN });
    const { breaker } = await client.resetBreaker({ name });
    expect(breaker).toMatchObject({ state: BreakerState.CLOSED, override: UNSPECIFIED, holds: [] });
  });

  it("is refused for more than a hundred holds, for an invalid hold, and for a stale etag", async () => {
    const { client, feed, get } = await withBreaker();
    const hold = (holdId: string) => client.setBreakerOverride({ name, override: METRICS_ONLY, holdId });
    for (let index = 0; index < 100; index += 1) await hold(`holder-${index}`);
    const etag = (await get())?.etag ?? "";
    await client.releaseBreakerHold({ name, holdId: "holder-0", etag });
    await hold("holder-0");
    const { revision } = feed;
    expect(await failure(hold("one-more"))).toMatchObject({
      reason: "ARGUMENT_INVALID",
      metadata: { field: "hold_id" },
    });
    const refused = [
      [client.setBreakerOverride({ name }), "override"],
      [client.setBreakerOverride({ name, override: 9 as BreakerOverride }), "override"],
      [client.setBreakerOverride({ name, override: DISABLED, ttl: seconds(0) }), "ttl"],
      [client.setBreakerOverride({ name, override: DISABLED, ttl: seconds(31_536_001) }), "ttl"],
      [client.openBreaker({ name, holdId: "x".repeat(129) }), "hold_id"],
    ] as const;
    for (const [call, field] of refused) {
      expect(await failure(call)).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field } });
    }
    const stale = { name, etag };
    for (const call of [
      client.setBreakerOverride({ ...stale, override: DISABLED }),
      client.releaseBreakerHold({ ...stale, holdId: "holder-1" }),
    ]) {
      expect(await failure(call)).toMatchObject({ reason: "ETAG_MISMATCH" });
    }
    expect(feed.revision).toBe(revision);
  });
});

describe("min_reporters", () => {
  it("makes a client that saw failures alone isolated, and shows that to others", async () => {
    const { client, clock, report, get } = await withBreaker({
      failureThreshold: 3,
      timeout: seconds(10),
      minReporters: 3,
    });
    await report(Outcome.SUCCESS, 10, "good");
    const { isolated } = await report(Outcome.FAILURE, 5, "bad");
    expect(isolated).toMatchObject([{ name, state: BreakerState.OPEN }]);
    expect(isolated[0]?.retryAfter && durationMs(isolated[0].retryAfter)).toBe(10_000);
    expect(await client.acquirePermit({ name, clientId: "bad" })).toMatchObject({
      allowed: false,
      isolated: true,
      state: BreakerState.OPEN,
    });
    expect(await client.acquirePermit({ name, clientId: "good" })).toMatchObject({ allowed: true, isolated: false });
    expect(await get()).toMatchObject({
      state: BreakerState.CLOSED,
      isolatedClients: [{ clientId: "bad", state: BreakerState.OPEN }],
    });
    clock.advance(10_000);
    const probe = await client.acquirePermit({ name, clientId: "bad" });
    expect(probe).toMatchObject({ allowed: true, state: BreakerState.HALF_OPEN });
    expect(await client.acquirePermit({ name, clientId: "bad" })).toMatchObject({ allowed: false, isolated: true });
  });
});

describe("SimulateBreaker", () => {
  it("returns the real transitions and those of another configuration, and changes nothing", async () => {
    const { client, clock, feed, report } = await withBreaker();
    for (let second = 0; second < 60; second += 1) {
      await report(second < 5 ? Outcome.FAILURE : Outcome.SUCCESS, 1);
      clock.advance(1000);
    }
    const { revision } = feed;
    const before = await client.getBreaker({ name });
    const answer = await client.simulateBreaker({ name, config: { failureThreshold: 4, timeout: seconds(20) } });
    expect(answer.config).toMatchObject({ failureThreshold: 4, timeout: { seconds: 20n } });
    expect(answer.actual).toMatchObject({ openings: 1n, calls: 60n });
    expect(answer.simulated).toMatchObject({ openings: 1n, calls: 60n });
    expect(answer.simulated?.transitions.map(({ action }) => action)).toEqual(["Trip", "HalfOpen", "Close"]);
    expect(answer.simulated?.openDuration && durationMs(answer.simulated.openDuration)).toBe(20_000);
    const never = await client.simulateBreaker({ name, config: { failureThreshold: 50 } });
    expect(never.simulated).toMatchObject({ openings: 0n, rejected: 0n, transitions: [] });
    expect(feed.revision).toBe(revision);
    expect(await client.getBreaker({ name })).toEqual(before);
  });

  it("refuses an invalid span or configuration, and an unknown breaker", async () => {
    const { client } = await withBreaker();
    for (const [request, field] of [
      [{ name, span: seconds(0) }, "span"],
      [{ name, span: seconds(3601) }, "span"],
      [{ name, config: { failureRate: Number.NaN } }, "config.failure_rate"],
      [{ name, config: { failureRate: 1.5 } }, "config.failure_rate"],
    ] as const) {
      expect(await failure(client.simulateBreaker(request))).toMatchObject({ metadata: { field } });
    }
    expect(await failure(client.simulateBreaker({ name: "none" }))).toMatchObject({ reason: "BREAKER_NOT_FOUND" });
  });
});
