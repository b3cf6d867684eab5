import { describe, expect, it } from "vitest";
import { acquired, fail, type Rig, rig, succeed } from "./rig.ts";

const FAST = { failureThreshold: 2, timeoutMs: 1000, successThreshold: 2, probeTimeoutMs: 500 };

async function withBreaker(config = FAST): Promise<Rig> {
  const setup = await rig();
  await setup.breakers.getOrCreate("api", config);
  return setup;
}

describe("getOrCreate", () => {
  it("creates one breaker with the default configuration, however many callers ask at once", async () => {
    const { breakers, feed } = await rig();
    const answers = await Promise.all(Array.from({ length: 50 }, () => breakers.getOrCreate("api")));
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(answers.some(({ configConflict }) => configConflict)).toBe(false);
    expect(new Set(answers.map(({ breaker }) => breaker.resource.revision)).size).toBe(1);
    expect(feed.revision).toBe(1);
    expect(breakers.get("api")).toMatchObject({
      state: "CLOSED",
      epoch: 1,
      config: {
        failureThreshold: 5,
        timeoutMs: 60_000,
        successThreshold: 2,
        probeConcurrency: 1,
        probeTimeoutMs: 30_000,
      },
      counts: {
        consecutiveFailures: 0,
        consecutiveSuccesses: 0,
        successes: 0,
        failures: 0,
        ignored: 0,
        rejected: 0,
        lateSuccesses: 0,
        lateFailures: 0,
      },
    });
  });

  it("returns an existing breaker unchanged if another configuration is requested", async () => {
    const setup = await withBreaker();
    fail(setup, "api", 2);
    const { breaker, created, configConflict } = await setup.breakers.getOrCreate("api", { failureThreshold: 9 });
    expect({ created, configConflict }).toEqual({ created: false, configConflict: true });
    expect(breaker).toMatchObject({ state: "OPEN", config: FAST });
  });

  it("reports no conflict for the same configuration, or for no configuration", async () => {
    const { breakers } = await withBreaker();
    for (const config of [FAST, undefined]) {
      expect((await breakers.getOrCreate("api", config)).configConflict).toBe(false);
    }
  });

  it.each(["", "a b", "-a", "ä", "a/b", "x".repeat(129)])("refuses the name %j", async (name) => {
    const { breakers } = await rig();
    await expect(breakers.getOrCreate(name)).rejects.toMatchObject({
      reason: "ARGUMENT_INVALID",
      metadata: { field: "name" },
    });
  });

  const FIELDS = [
    ["failureThreshold", "failure_threshold"],
    ["timeoutMs", "timeout"],
    ["successThreshold", "success_threshold"],
    ["probeConcurrency", "probe_concurrency"],
    ["probeTimeoutMs", "probe_timeout"],
  ] as const;
  const VALUES = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e12, "5"];

  it.each(FIELDS)(
    "refuses a %s that is not a number in range, and names the field and the value",
    async (key, field) => {
      const { breakers, feed } = await rig();
      const refused = key.endsWith("Ms") ? VALUES : [...VALUES, 1.5];
      for (const value of refused) {
        const asked = breakers.getOrCreate("api", { [key]: value });
        await expect(asked, String(value)).rejects.toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field } });
        await expect(asked).rejects.toThrow(String(value));
      }
      expect(feed.revision).toBe(0);
    },
  );

  it("creates the breaker again if somebody deletes it before it could be returned", async () => {
    const { breakers, store, feed } = await rig();
    let deleted = false;
    await store.watch(0, ([change]) => {
      const { key = "" } = change ?? {};
      if (!deleted) void store.delete(key, { cause: { action: "DeleteBreaker" } });
      deleted = true;
    });
    expect(await breakers.getOrCreate("api")).toMatchObject({ created: true, breaker: { state: "CLOSED" } });
    expect(feed.revision).toBe(3);
  });
});

describe("breakers", () => {
  it("are independent of those with other names", async () => {
    const setup = await withBreaker();
    await setup.breakers.getOrCreate("other", FAST);
    fail(setup, "api", 2);
    expect(setup.breakers.get("api").state).toBe("OPEN");
    expect(setup.breakers.get("other")).toMatchObject({ state: "CLOSED", counts: { failures: 0 } });
  });

  it("are listed by name", async () => {
    const { breakers } = await rig();
    for (const name of ["b", "a", "C"]) await breakers.getOrCreate(name);
    expect(breakers.list().map(({ name }) => name)).toEqual(["C", "a", "b"]);
  });

  it("answer with BREAKER_NOT_FOUND if they do not exist, except for reports", async () => {
    const { breakers } = await rig();
    const notFound = expect.objectContaining({ reason: "BREAKER_NOT_FOUND", metadata: { name: "api" } });
    expect(() => breakers.get("api")).toThrow(notFound);
    expect(() => breakers.acquire("api")).toThrow(notFound);
    for (const asked of [
      breakers.update("api", {}),
      breakers.delete("api"),
      breakers.open("api"),
      breakers.reset("api"),
    ]) {
      await expect(asked).rejects.toThrow(notFound);
    }
    breakers.record("api", { allowed: true, epoch: 1 }, "FAILURE");
    breakers.release("api", { allowed: true, epoch: 1 });
    expect(breakers.report("client", 1, [])).toEqual({ duplicate: false, unknownNames: [], isolated: [] });
  });

  it("count rejected calls separately", async () => {
    const setup = await withBreaker();
    succeed(setup, "api");
    fail(setup, "api", 2);
    for (let call = 0; call < 3; call += 1) expect(setup.breakers.acquire("api").allowed).toBe(false);
    expect(setup.breakers.get("api").counts).toMatchObject({ successes: 1, failures: 2, rejected: 3 });
  });

  it("count late outcomes separately, and keep their state", async () => {
    const setup = await withBreaker();
    const { breakers, clock } = setup;
    const [success, failure] = [acquired(breakers.acquire("api")), acquired(breakers.acquire("api"))];
    fail(setup, "api", 2);
    const { retryAfterMs } = breakers.get("api");
    breakers.record("api", success, "SUCCESS");
    breakers.record("api", failure, "FAILURE");
    expect(breakers.get("api")).toMatchObject({
      state: "OPEN",
      retryAfterMs,
      counts: { successes: 0, failures: 2, lateSuccesses: 1, lateFailures: 1 },
    });
    clock.advance(1000);
    succeed(setup, "api");
    succeed(setup, "api");
    breakers.record("api", failure, "FAILURE");
    expect(breakers.get("api")).toMatchObject({ state: "CLOSED", counts: { consecutiveFailures: 0, lateFailures: 2 } });
  });

  it("count a probe that never reports as a failure, once", async () => {
    const setup = await withBreaker();
    const { breakers, clock } = setup;
    fail(setup, "api", 2);
    clock.advance(1000);
    const lost = acquired(breakers.acquire("api"));
    clock.advance(500);
    expect(breakers.get("api")).toMatchObject({ state: "OPEN", counts: { failures: 3 } });
    breakers.record("api", lost, "FAILURE");
    expect(breakers.get("api").counts).toMatchObject({ failures: 3, lateFailures: 1 });
  });

  it("count nothing for a permit that is given back, and let the next probe through", async () => {
    const setup = await withBreaker();
    const { breakers, clock } = setup;
    fail(setup, "api", 2);
    clock.advance(1000);
    const before = breakers.get("api").counts;
    breakers.release("api", breakers.acquire("api"));
    expect(breakers.get("api")).toMatchObject({ state: "HALF_OPEN", probes: 0, counts: before });
    expect(breakers.acquire("api").allowed).toBe(true);
  });

  it("refuse an unknown outcome", async () => {
    const { breakers } = await withBreaker();
    const permit = breakers.acquire("api");
    expect(() => breakers.record("api", permit, "failure" as "FAILURE")).toThrow("failure");
    expect(breakers.get("api").counts.failures).toBe(0);
  });

  it("are unaffected by a step of the wall clock by an hour", async () => {
    const setup = await withBreaker();
    fail(setup, "api", 2);
    setup.clock.advance(400);
    for (const step of [3_600_000, -7_200_000]) {
      setup.clock.stepWall(step);
      expect(setup.breakers.get("api")).toMatchObject({ state: "OPEN", retryAfterMs: 600 });
    }
    setup.clock.advance(600);
    expect(setup.breakers.get("api").state).toBe("HALF_OPEN");
  });

  it("record who changed the configuration, and keep state and counts", async () => {
    const setup = await withBreaker();
    const { breakers, clock, store } = setup;
    fail(setup, "api", 2);
    clock.advance(400);
    const { etag } = breakers.get("api").resource;
    await breakers.stored();
    await expect(breakers.update("api", { timeoutMs: 5 }, { etag })).rejects.toMatchObject({ reason: "ETAG_MISMATCH" });
    const by = { actor: "ana", reason: "calmer", etag: breakers.get("api").resource.etag };
    const updated = await breakers.update("api", { failureThreshold: 9 }, by);
    expect(updated).toMatchObject({
      state: "OPEN",
      epoch: 2,
      retryAfterMs: 600,
      config: { ...FAST, failureThreshold: 9 },
      counts: { failures: 2 },
      transition: { action: "Trip" },
    });
    const [last] = await store.history("breaker/api", 1);
    expect(last?.cause).toEqual({ action: "UpdateBreaker", actor: "ana", reason: "calmer" });
    await expect(breakers.update("api", { successThreshold: 0 })).rejects.toMatchObject({ reason: "ARGUMENT_INVALID" });
    const { revision } = updated.resource;
    expect((await breakers.update("api", { failureThreshold: 9 })).resource.revision).toBe(revision);
  });
});

describe("a deleted breaker", () => {
  it("is gone with its timer, and its name can be used for a new one", async () => {
    const setup = await withBreaker();
    const { breakers, clock, feed, timers } = setup;
    fail(setup, "api", 2);
    expect(timers()).toBe(1);
    await breakers.stored();
    const before = breakers.get("api");
    const { breaker, revision } = await breakers.delete("api", { actor: "ana" });
    expect(breaker).toEqual(before);
    expect(revision).toBe(feed.revision);
    expect(timers()).toBe(0);
    clock.advance(10_000);
    expect(breakers.list()).toEqual([]);
    const again = await breakers.getOrCreate("api");
    expect(again.created).toBe(true);
    expect(again.breaker).toMatchObject({ state: "CLOSED", counts: { failures: 0, rejected: 0 } });
  });

  it("is not restored by a transition that has yet to be stored", async () => {
    const setup = await withBreaker();
    const { breakers, holdWrites, stored } = setup;
    const release = holdWrites();
    fail(setup, "api", 2);
    await breakers.delete("api");
    release();
    await breakers.stored();
    await breakers.getOrCreate("another");
    expect(await stored("api")).toBeUndefined();
  });

  it("does not affect a later breaker of the same name", async () => {
    const setup = await withBreaker();
    const { breakers, holdWrites, stored } = setup;
    const release = holdWrites();
    fail(setup, "api", 2);
    const reset = expect(breakers.reset("api")).rejects.toMatchObject({ reason: "BREAKER_NOT_FOUND" });
    await breakers.delete("api");
    const created = breakers.getOrCreate("api");
    release();
    await Promise.all([reset, created]);
    // The epoch is higher than the last one of its predecessor, whether that was stored or not.
    expect(await stored("api")).toMatchObject({ state: "CLOSED", epoch: 3 });
  });

  it.each([0, 1, 5])(
    "leaves late outcomes that have no vote in the next breaker of its name (%i transitions)",
    async (resets) => {
      for (const restarts of [false, true]) {
        const first = await withBreaker();
        for (let reset = 0; reset < resets; reset += 1) await first.breakers.reset("api");
        const { epoch } = first.breakers.get("api");
        await first.breakers.delete("api");
        const setup = restarts ? await first.restart() : first;
        const next = (await setup.breakers.getOrCreate("api", { failureThreshold: 2 })).breaker;
        expect(next.epoch).toBeGreaterThan(epoch);
        for (let old = 1; old <= epoch; old += 1)
          setup.breakers.report("a", old, [{ name: "api", epoch: old, runs: [{ outcome: "FAILURE", count: 10 }] }]);
        const { state, counts } = setup.breakers.get("api");
        expect(state).toBe("CLOSED");
        expect(counts).toMatchObject({ failures: 0, lateFailures: 10 * epoch, consecutiveFailures: 0 });
      }
    },
  );
});

describe("closing", () => {
  it("cancels every timer, and makes calls and changes fail with a reason of its own", async () => {
    const setup = await withBreaker();
    const { breakers, clock, feed, timers } = setup;
    fail(setup, "api", 2);
    await breakers.close();
    const { revision } = feed;
    expect(timers()).toBe(0);
    clock.advance(100_000);
    const draining = expect.objectContaining({ reason: "SERVER_DRAINING" });
    expect(() => breakers.acquire("api")).toThrow(draining);
    expect(() => breakers.report("client", 1, [])).toThrow(draining);
    for (const asked of [
      breakers.getOrCreate("new"),
      breakers.update("api", {}),
      breakers.delete("api"),
      breakers.open("api"),
      breakers.reset("api"),
    ]) {
      await expect(asked).rejects.toThrow(draining);
    }
    expect(feed.revision).toBe(revision);
  });

  it("ends after the past transitions are stored", async () => {
    const setup = await withBreaker();
    const release = setup.holdWrites();
    fail(setup, "api", 2);
    const closed = setup.breakers.close();
    release();
    await closed;
    expect(await setup.stored("api")).toMatchObject({ state: "OPEN", epoch: 2 });
  });
});
