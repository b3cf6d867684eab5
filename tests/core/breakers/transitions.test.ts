import { describe, expect, it } from "vitest";
import { acquired, fail, type Rig, rig, succeed } from "./rig.ts";

const FAST = { failureThreshold: 2, timeoutMs: 1000, successThreshold: 2, probeTimeoutMs: 500 };

async function withBreaker(config = FAST): Promise<Rig> {
  const house = await rig();
  await house.breakers.getOrCreate("api", config);
  return house;
}

describe("a transition", () => {
  it("is stored with what caused it, in order, however quickly one follows the other", async () => {
    const house = await withBreaker();
    const { breakers, clock } = house;
    const release = house.holdWrites();
    fail(house, "api", 2);
    clock.advance(1000);
    breakers.record("api", acquired(breakers.acquire("api")), "FAILURE");
    clock.advance(1000);
    acquired(breakers.acquire("api"));
    clock.advance(1500);
    succeed(house, "api");
    succeed(house, "api");
    release();
    await breakers.stored();
    expect(await house.actions("api")).toEqual([
      "GetOrCreateBreaker",
      "Trip",
      "HalfOpen",
      "Reopen",
      "HalfOpen",
      "LeaseExpired",
      "HalfOpen",
      "Close",
    ]);
    const epochs = (await house.store.history("breaker/api", 100)).map(({ value = "{}" }) => JSON.parse(value).epoch);
    expect(epochs).toEqual([8, 7, 6, 5, 4, 3, 2, 1]);
  });

  it("is one, however many failures arrive together", async () => {
    const house = await withBreaker();
    const permits = Array.from({ length: 100 }, () => house.breakers.acquire("api"));
    for (const permit of permits) house.breakers.record("api", permit, "FAILURE");
    await house.breakers.stored();
    expect(await house.actions("api")).toEqual(["GetOrCreateBreaker", "Trip"]);
  });

  it("holds at once, before it is stored, and says itself what it was", async () => {
    const house = await withBreaker();
    const release = house.holdWrites();
    house.clock.advance(7);
    fail(house, "api", 2);
    expect(house.breakers.acquire("api")).toEqual({ allowed: false, epoch: 2, state: "OPEN", retryAfterMs: 1000 });
    expect(house.breakers.get("api")).toMatchObject({
      state: "OPEN",
      epoch: 2,
      transition: { action: "Trip", time: house.clock.now() },
    });
    expect(await house.stored("api")).toMatchObject({ state: "CLOSED", epoch: 1 });
    release();
    await house.breakers.stored();
    expect(await house.stored("api")).toMatchObject({ state: "OPEN", epoch: 2 });
  });

  it("by time alone reaches watchers, without any call", async () => {
    const house = await withBreaker();
    const { breakers, clock } = house;
    const watcher = breakers.hub.watch({
      clock,
      names: [],
      resumeToken: "",
      onCompacted: "snapshot",
      heartbeatMs: 60_000,
    });
    await watcher.next();
    fail(house, "api", 2);
    clock.advance(1000);
    await breakers.stored();
    const frame = await watcher.next();
    watcher.close();
    const told = frame?.kind === "changes" ? frame.items : [];
    expect(told.map(({ cause, resource }) => [cause.action, resource?.record.state])).toEqual([
      ["Trip", "OPEN"],
      ["HalfOpen", "HALF_OPEN"],
    ]);
  });

  it("is logged with breaker, action, state and epoch", async () => {
    const house = await withBreaker();
    house.logged.length = 0;
    fail(house, "api", 2);
    house.clock.advance(1000);
    const fields = { name: "api", state: "OPEN", epoch: 2, action: "Trip" };
    expect(house.logged).toEqual([
      ["breakers", "warn", "breaker changed", fields],
      ["breakers", "info", "breaker changed", { ...fields, state: "HALF_OPEN", epoch: 3, action: "HalfOpen" }],
    ]);
  });

  it("that cannot be stored throws into no call, is logged, and is tried again", async () => {
    const house = await withBreaker();
    const { breakers, clock } = house;
    house.failWrites(true);
    fail(house, "api", 2);
    await breakers.stored();
    expect(breakers.acquire("api").allowed).toBe(false);
    expect(house.logged.at(-1)).toEqual([
      "breakers",
      "error",
      "transition not stored",
      { name: "api", action: "Trip", error: expect.stringContaining("disk full") },
    ]);
    expect(await house.stored("api")).toMatchObject({ state: "CLOSED" });
    house.failWrites(false);
    clock.advance(999);
    clock.advance(1);
    await breakers.stored();
    expect(await house.stored("api")).toMatchObject({ state: "HALF_OPEN", epoch: 3 });
  });

  it("that could not be stored is made good without the next one, too", async () => {
    const house = await withBreaker({ ...FAST, timeoutMs: 60_000 });
    house.failWrites(true);
    fail(house, "api", 2);
    await house.breakers.stored();
    house.failWrites(false);
    house.clock.advance(1000);
    await house.breakers.stored();
    expect(await house.actions("api")).toEqual(["GetOrCreateBreaker", "Trip"]);
    const openUntil = house.clock.now() + 59_000;
    expect(await house.stored("api")).toMatchObject({ state: "OPEN", epoch: 2, openUntil });
  });

  it("is made good by the next one, and not stored after it", async () => {
    const house = await withBreaker();
    const { breakers, clock } = house;
    house.failWrites(true);
    fail(house, "api", 2);
    await breakers.stored();
    house.failWrites(false);
    await breakers.reset("api");
    clock.advance(5000);
    await breakers.stored();
    expect(await house.actions("api")).toEqual(["GetOrCreateBreaker", "ResetBreaker"]);
    expect(await house.stored("api")).toMatchObject({ state: "CLOSED", epoch: 3 });
  });
});

describe("a stored state that is told later", () => {
  it("is described as it was, with the counts of now", async () => {
    const house = await withBreaker();
    const { breakers, clock, store } = house;
    const told: unknown[] = [];
    fail(house, "api", 2);
    await breakers.stored();
    clock.advance(1000);
    succeed(house, "api");
    succeed(house, "api");
    await breakers.open("api");
    await breakers.stored();
    const { changes } = await store.changes("breaker/", 0, 100);
    for (const change of changes) {
      const resource = breakers.hub.source.decode(change)?.resource;
      if (resource === undefined) throw new Error("no resource");
      const { state, automaticState, epoch, retryAfterMs, override, transition, counts } = breakers.view(resource);
      expect(counts).toMatchObject({ successes: 2, failures: 2 });
      told.push([transition.action, state, automaticState, epoch, retryAfterMs, override?.kind]);
    }
    expect(told).toEqual([
      ["GetOrCreateBreaker", "CLOSED", "CLOSED", 1, undefined, undefined],
      ["Trip", "OPEN", "OPEN", 2, 1000, undefined],
      ["HalfOpen", "HALF_OPEN", "HALF_OPEN", 3, undefined, undefined],
      ["Close", "CLOSED", "CLOSED", 4, undefined, undefined],
      ["OpenBreaker", "OPEN", "CLOSED", 5, undefined, "FORCED_OPEN"],
    ]);
  });

  it("has the configuration of then", async () => {
    const { breakers } = await withBreaker();
    const { resource } = breakers.get("api");
    await breakers.update("api", { failureThreshold: 7 });
    expect(breakers.view(resource).config.failureThreshold).toBe(2);
  });

  it("is described, too, where the breaker is gone", async () => {
    const { breakers } = await withBreaker();
    const { breaker } = await breakers.delete("api");
    expect(breakers.view(breaker.resource)).toMatchObject({ name: "api", state: "CLOSED", counts: { failures: 0 } });
  });
});

describe("after a restart", () => {
  it("an open breaker has what is left of its timeout, and goes half-open by itself", async () => {
    const house = await withBreaker();
    fail(house, "api", 2);
    house.clock.advance(100);
    const next = await house.restart({ downMs: 300 });
    expect(next.breakers.get("api")).toMatchObject({ state: "OPEN", epoch: 2, retryAfterMs: 600, config: FAST });
    next.clock.advance(600);
    await next.breakers.stored();
    expect(await next.stored("api")).toMatchObject({ state: "HALF_OPEN", epoch: 3 });
  });

  it("a breaker whose timeout ended meanwhile lets a probe through", async () => {
    const house = await withBreaker();
    fail(house, "api", 2);
    const next = await house.restart({ downMs: 5000 });
    expect(next.breakers.acquire("api")).toMatchObject({ allowed: true, leaseId: expect.any(String) });
  });

  it("a wall clock that was stepped back holds no breaker open longer than its timeout", async () => {
    const house = await withBreaker();
    fail(house, "api", 2);
    const next = await house.restart({ stepMs: -3_600_000 });
    expect(next.breakers.get("api").retryAfterMs).toBe(1000);
    next.clock.advance(1000);
    expect(next.breakers.get("api").state).toBe("HALF_OPEN");
  });

  it("a half-open breaker asks anew, and its old probes have no vote", async () => {
    const house = await withBreaker();
    fail(house, "api", 2);
    house.clock.advance(1000);
    const old = acquired(house.breakers.acquire("api"));
    const { breakers } = await house.restart();
    const probe = acquired(breakers.acquire("api"));
    expect(probe.epoch).toBeGreaterThan(old.epoch);
    breakers.record("api", old, "FAILURE");
    expect(breakers.get("api")).toMatchObject({ state: "HALF_OPEN", probes: 1, counts: { lateFailures: 1 } });
  });

  it("what a human decided stands, with who and why", async () => {
    const house = await withBreaker();
    await house.breakers.open("api", { actor: "ana", reason: "maintenance" });
    const time = house.clock.now();
    const { breakers, clock } = await house.restart({ downMs: 100_000 });
    clock.advance(100_000);
    expect(breakers.acquire("api")).toEqual({ allowed: false, epoch: 2, state: "OPEN", override: "FORCED_OPEN" });
    expect(breakers.get("api").override).toEqual({
      id: "manual",
      kind: "FORCED_OPEN",
      action: "OpenBreaker",
      actor: "ana",
      reason: "maintenance",
      time,
    });
  });

  it("a closed breaker starts to count anew", async () => {
    const house = await withBreaker();
    fail(house, "api", 1);
    const { breakers } = await house.restart();
    expect(breakers.get("api")).toMatchObject({
      state: "CLOSED",
      epoch: 1,
      counts: { consecutiveFailures: 0, failures: 0 },
    });
  });
});
