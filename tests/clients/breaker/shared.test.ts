import { describe, expect, it } from "vitest";
import type { ClientBreaker } from "../../../clients/typescript/src/index.ts";
import { fail, type Peer, type ServiceRig, serviceRig } from "./rig.ts";

const FAST = { failureThreshold: 3, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };

interface Two extends ServiceRig {
  readonly one: Peer;
  readonly two: Peer;
  readonly a: ClientBreaker;
  readonly b: ClientBreaker;
}

/** Two clients of one breaker. */
async function pair(config = FAST): Promise<Two> {
  const rig = await serviceRig();
  const [one, two] = [rig.connect("one"), rig.connect("two")];
  const [a, b] = [one.breakers.breaker("api", config), two.breakers.breaker("api", config)];
  await rig.quiet();
  return { ...rig, one, two, a, b };
}

async function tripped(config = FAST): Promise<Two> {
  const rig = await pair(config);
  fail(rig.a, config.failureThreshold);
  await rig.quiet();
  return rig;
}

async function halfOpen(config = FAST): Promise<Two> {
  const rig = await tripped(config);
  await rig.pass(config.timeoutMs);
  expect(rig.b.status().state).toBe("HALF_OPEN");
  return rig;
}

describe("a breaker that several clients use", () => {
  it("exists once, with the configuration of the first client", async () => {
    const rig = await serviceRig();
    const [one, two] = [rig.connect("one"), rig.connect("two")];
    const first = one.breakers.breaker("api", FAST);
    await rig.quiet();
    const second = two.breakers.breaker("api", { failureThreshold: 1 });
    await rig.quiet();
    expect(rig.service.list()).toHaveLength(1);
    fail(second, 2);
    expect([first, second].map((breaker) => breaker.status().state)).toEqual(["CLOSED", "CLOSED"]);
    expect(one.breakers.breaker("api")).toBe(first);
  });

  it("trips at once in the client that sees the failures, and then in all others", async () => {
    const rig = await pair();
    fail(rig.a, 2);
    expect(rig.a.status().state).toBe("CLOSED");
    fail(rig.a, 1);
    expect(rig.a.status()).toMatchObject({ state: "OPEN", source: "LOCAL", connected: true });
    expect(rig.a.tryAcquire()).toBeNull();
    expect(rig.b.status().state).toBe("CLOSED");
    await rig.quiet();
    for (const breaker of [rig.a, rig.b]) {
      expect(breaker.status()).toMatchObject({ state: "OPEN", source: "SERVICE", retryAfterMs: 1000, unreported: 0 });
      expect(breaker.tryAcquire()).toBeNull();
      expect(await breaker.acquire()).toBeNull();
    }
    expect(rig.two.link.calls.get("AcquirePermit")).toBeUndefined();
  });

  it("trips by the outcomes of all clients together", async () => {
    const rig = await pair();
    fail(rig.a, 2);
    fail(rig.b, 1);
    expect([rig.a, rig.b].map((breaker) => breaker.status().state)).toEqual(["CLOSED", "CLOSED"]);
    await rig.pass(100);
    expect([rig.a, rig.b].map((breaker) => breaker.status().state)).toEqual(["OPEN", "OPEN"]);
  });

  it("passes again in a client that tripped it alone, if the service does not trip", async () => {
    const rig = await pair();
    fail(rig.a, 2);
    await rig.pass(100);
    rig.b.tryAcquire()?.settle("SUCCESS");
    await rig.pass(100);
    fail(rig.a, 1);
    expect(rig.a.status()).toMatchObject({ state: "OPEN", source: "LOCAL" });
    await rig.quiet();
    expect(rig.service.get("api")).toMatchObject({ state: "CLOSED", counts: { consecutiveFailures: 1 } });
    expect(rig.a.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
    // The client's own count starts over, too.
    fail(rig.a, 1);
    expect(rig.a.status().state).toBe("CLOSED");
  });

  it("stays open in a client whose stream restarts before its failures have arrived", async () => {
    const rig = await pair();
    const release = rig.one.link.holdCalls("ReportOutcomes");
    fail(rig.a, 3);
    rig.one.breakers.breaker("other");
    await rig.pass(100);
    expect(rig.one.link.calls.get("WatchBreakers")).toBe(2);
    expect(rig.service.get("api").state).toBe("CLOSED");
    expect(rig.a.status()).toMatchObject({ state: "OPEN", source: "LOCAL" });
    release();
    await rig.quiet();
    expect(rig.a.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
  });

  it("is independent of breakers with other names", async () => {
    const rig = await tripped();
    expect(rig.one.breakers.breaker("other").tryAcquire()).not.toBeNull();
    await rig.pass(100);
    expect(rig.one.breakers.breaker("other").status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("opens once however many failures arrive together, and its timeout is not extended", async () => {
    const rig = await pair();
    const permits = Array.from({ length: 20 }, () => [rig.a.tryAcquire(), rig.b.tryAcquire()]).flat();
    for (const permit of permits.slice(0, 20)) permit?.settle("FAILURE");
    await rig.pass(500);
    for (const permit of permits.slice(20)) permit?.settle("FAILURE");
    await rig.pass(100);
    expect(rig.service.get("api")).toMatchObject({ epoch: 2, counts: { failures: 3, lateFailures: 37 } });
    expect(rig.a.status()).toMatchObject({ state: "OPEN", retryAfterMs: 400 });
  });

  it.each(["SUCCESS", "FAILURE"] as const)(
    "counts a late %s separately, and keeps its state, be it open, half-open or closed",
    async (outcome) => {
      const rig = await pair();
      const [first, second, third] = [rig.b.tryAcquire(), rig.b.tryAcquire(), rig.b.tryAcquire()];
      fail(rig.a, 3);
      await rig.quiet();
      first?.settle(outcome);
      await rig.pass(100);
      expect(rig.b.status().state).toBe("OPEN");
      await rig.pass(900);
      second?.settle(outcome);
      await rig.pass(100);
      expect(rig.b.status().state).toBe("HALF_OPEN");
      (await rig.a.acquire())?.settle("SUCCESS");
      await rig.quiet();
      third?.settle(outcome);
      await rig.pass(100);
      expect(rig.b.status().state).toBe("CLOSED");
      const { counts, epoch } = rig.service.get("api");
      expect(epoch).toBe(4);
      expect(counts.lateSuccesses + counts.lateFailures).toBe(3);
      expect(counts.consecutiveFailures).toBe(0);
    },
  );

  it("opens and closes on time although the wall clock is stepped", async () => {
    const rig = await tripped();
    rig.clock.stepWall(3_600_000);
    await rig.pass(950);
    expect(rig.b.status().state).toBe("OPEN");
    rig.clock.stepWall(-7_200_000);
    await rig.pass(50);
    expect(rig.b.status().state).toBe("HALF_OPEN");
  });

  it("is created again, closed, after somebody deleted it", async () => {
    const rig = await tripped();
    await rig.service.delete("api");
    await rig.quiet();
    expect(rig.service.get("api")).toMatchObject({ state: "CLOSED", config: FAST });
    expect(rig.a.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("follows a change of its configuration", async () => {
    const rig = await pair();
    await rig.service.update("api", { failureThreshold: 1 });
    await rig.quiet();
    fail(rig.a, 1);
    expect(rig.a.status().state).toBe("OPEN");
  });

  it("does not trip while it is warming up", async () => {
    const rig = await serviceRig();
    const { breakers } = rig.connect("one");
    const api = breakers.breaker("api", { ...FAST, warmUpMs: 60_000 });
    fail(api, 5);
    expect(api.status()).toMatchObject({ state: "CLOSED", connected: false });
    await rig.quiet();
    fail(api, 5);
    expect(api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
    await rig.pass(60_000);
    fail(api, 3);
    expect(api.status().state).toBe("OPEN");
  });
});

describe("the only probe", () => {
  it("goes to one of two clients that race for it", async () => {
    const rig = await halfOpen();
    const permits = await Promise.all([rig.a.acquire(), rig.b.acquire()]);
    expect(permits.filter((permit) => permit !== null)).toHaveLength(1);
    expect(rig.service.get("api").probes).toBe(1);
  });

  it("goes to one of two calls of one client, and the other is rejected without asking", async () => {
    const rig = await halfOpen();
    const work = Promise.withResolvers<number>();
    const ran = await Promise.allSettled([
      rig.a.call(() => {
        setImmediate(() => work.resolve(7));
        return work.promise;
      }),
      rig.a.call(() => 8),
    ]);
    expect(ran.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(rig.one.link.calls.get("AcquirePermit")).toBe(1);
  });

  it("rejects all others while it is slow", async () => {
    const rig = await halfOpen();
    const probe = await rig.a.acquire();
    expect(probe).not.toBeNull();
    for (const breaker of [rig.a, rig.b]) expect(await breaker.acquire()).toBeNull();
    await rig.pass(100);
    for (const breaker of [rig.a, rig.b]) expect(await breaker.acquire()).toBeNull();
    probe?.settle("SUCCESS");
    await rig.quiet();
    for (const breaker of [rig.a, rig.b]) expect(breaker.tryAcquire()).not.toBeNull();
  });

  it("opens the breaker for all for the whole timeout if it fails", async () => {
    const rig = await halfOpen();
    (await rig.a.acquire())?.settle("FAILURE");
    await rig.quiet();
    for (const breaker of [rig.a, rig.b]) expect(breaker.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
  });

  it("leaves the breaker half-open until enough probes have succeeded", async () => {
    const rig = await halfOpen({ ...FAST, successThreshold: 2 });
    (await rig.a.acquire())?.settle("SUCCESS");
    await rig.quiet();
    expect(rig.b.status().state).toBe("HALF_OPEN");
    (await rig.a.acquire())?.settle("SUCCESS");
    await rig.quiet();
    expect(rig.b.status().state).toBe("CLOSED");
  });

  it("frees its slot if it is ignored, and the breaker stays half-open", async () => {
    const rig = await halfOpen();
    (await rig.a.acquire())?.settle("IGNORED");
    await rig.quiet();
    expect(rig.service.get("api")).toMatchObject({ state: "HALF_OPEN", probes: 0 });
    expect(await rig.a.acquire()).not.toBeNull();
  });

  it("frees its slot as a failure if it never reports, and its late report changes nothing", async () => {
    const rig = await halfOpen();
    const hung = await rig.a.acquire();
    await rig.pass(500);
    expect(rig.b.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
    hung?.settle("SUCCESS");
    await rig.pass(1000);
    expect(rig.service.get("api")).toMatchObject({ state: "HALF_OPEN", counts: { lateSuccesses: 1 } });
    // The expired probe does not keep its client from the next one.
    expect(await rig.a.acquire()).not.toBeNull();
  });

  it("frees its slot as a failure if its client is gone", async () => {
    const rig = await halfOpen();
    expect(await rig.a.acquire()).not.toBeNull();
    await rig.one.breakers.close();
    await rig.quiet();
    expect(rig.service.get("api")).toMatchObject({ state: "OPEN", probes: 0 });
    expect(rig.b.status().state).toBe("OPEN");
  });

  it("remains valid while its client opens another stream for an added name", async () => {
    const rig = await halfOpen();
    const probe = await rig.a.acquire();
    rig.one.breakers.breaker("other");
    await rig.pass(100);
    expect(rig.one.link.calls.get("WatchBreakers")).toBe(2);
    expect(rig.one.link.streams()).toBe(1);
    expect(rig.service.get("api")).toMatchObject({ state: "HALF_OPEN", probes: 1 });
    probe?.settle("SUCCESS");
    await rig.quiet();
    expect(rig.a.status().state).toBe("CLOSED");
  });

  it("is requested at most once in 100 ms while no slot is free", async () => {
    const rig = await halfOpen();
    await rig.b.acquire();
    for (let call = 0; call < 100; call += 1) await rig.a.acquire();
    expect(rig.one.link.calls.get("AcquirePermit")).toBe(1);
    await rig.pass(100);
    for (let call = 0; call < 100; call += 1) await rig.a.acquire();
    expect(rig.one.link.calls.get("AcquirePermit")).toBe(2);
  });
});

describe("an override by an operator", () => {
  const decided = async (kind: "FORCED_OPEN" | "FORCED_CLOSED" | "DISABLED" | "METRICS_ONLY"): Promise<Two> => {
    const rig = await pair();
    await rig.service.override("api", { kind });
    await rig.quiet();
    return rig;
  };

  it("rejects everywhere with FORCED_OPEN, and no timer ends it", async () => {
    const rig = await decided("FORCED_OPEN");
    await rig.pass(5000);
    for (const breaker of [rig.a, rig.b]) {
      expect(breaker.status()).toMatchObject({ state: "OPEN", override: "FORCED_OPEN", retryAfterMs: undefined });
      expect(breaker.tryAcquire()).toBeNull();
      expect(await breaker.acquire()).toBeNull();
    }
    await rig.service.reset("api");
    await rig.quiet();
    expect(rig.a.status()).toMatchObject({ state: "CLOSED", override: undefined });
  });

  it("passes all calls with FORCED_CLOSED, which are counted, so that the automatic state goes on", async () => {
    const rig = await decided("FORCED_CLOSED");
    fail(rig.a, 3);
    await rig.pass(100);
    expect(rig.service.get("api")).toMatchObject({ state: "CLOSED", automaticState: "OPEN" });
    expect(rig.a.status()).toMatchObject({ state: "CLOSED", override: "FORCED_CLOSED" });
    await rig.pass(1000);
    expect(rig.service.get("api")).toMatchObject({ automaticState: "HALF_OPEN" });
    expect(rig.a.tryAcquire()).not.toBeNull();
    expect(await Promise.all([rig.a.call(() => 1), rig.a.call(() => 2)])).toEqual([1, 2]);
    await rig.quiet();
    expect(rig.service.get("api")).toMatchObject({ state: "CLOSED", automaticState: "CLOSED" });
  });

  it("passes all calls with DISABLED, and reports nothing", async () => {
    const rig = await decided("DISABLED");
    fail(rig.a, 10);
    await rig.pass(200);
    expect(rig.a.status()).toMatchObject({ state: "CLOSED", unreported: 0 });
    expect(rig.one.link.reports).toEqual([]);
    expect(rig.service.get("api")).toMatchObject({ automaticState: "CLOSED", counts: { failures: 0 } });
  });

  it("passes all calls with METRICS_ONLY, and the service says when the breaker would have opened", async () => {
    const rig = await decided("METRICS_ONLY");
    fail(rig.a, 3);
    await rig.pass(100);
    expect(rig.a.status()).toMatchObject({ state: "CLOSED", override: "METRICS_ONLY" });
    expect(rig.a.tryAcquire()).not.toBeNull();
    expect(rig.service.get("api").transition.action).toBe("WouldTrip");
  });

  it("is followed by closed breakers with new counts at all clients after a reset", async () => {
    const rig = await pair();
    fail(rig.a, 2);
    await rig.pass(100);
    await rig.service.reset("api");
    await rig.quiet();
    fail(rig.a, 2);
    await rig.pass(100);
    expect(rig.a.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
    fail(rig.a, 1);
    expect(rig.a.status().state).toBe("OPEN");
  });

  it("an override by two holders ends when both have released it", async () => {
    const rig = await pair();
    await rig.service.open("api", { holdId: "x" });
    await rig.service.open("api", { holdId: "y" });
    for (const [holdId, state] of [
      ["x", "OPEN"],
      ["x", "OPEN"],
      ["y", "CLOSED"],
    ] as const) {
      await rig.service.releaseHold("api", holdId);
      await rig.quiet();
      expect(rig.a.status().state).toBe(state);
    }
  });
});
