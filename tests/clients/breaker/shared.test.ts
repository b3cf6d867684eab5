import { describe, expect, it } from "vitest";
import type { ClientBreaker } from "../../../clients/typescript/src/index.ts";
import { type House, house, type Peer } from "./rig.ts";

const FAST = { failureThreshold: 3, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };

interface Two extends House {
  readonly one: Peer;
  readonly two: Peer;
  readonly a: ClientBreaker;
  readonly b: ClientBreaker;
}

/** Two clients of one breaker. */
async function pair(config = FAST): Promise<Two> {
  const home = await house();
  const [one, two] = [home.connect("one"), home.connect("two")];
  const [a, b] = [one.breakers.breaker("api", config), two.breakers.breaker("api", config)];
  await home.quiet();
  return { ...home, one, two, a, b };
}

const fail = (breaker: ClientBreaker, times: number): void => {
  for (let call = 0; call < times; call += 1) breaker.tryAcquire()?.settle("FAILURE");
};

async function tripped(config = FAST): Promise<Two> {
  const home = await pair(config);
  fail(home.a, config.failureThreshold);
  await home.quiet();
  return home;
}

async function halfOpen(config = FAST): Promise<Two> {
  const home = await tripped(config);
  await home.pass(config.timeoutMs);
  expect(home.b.status().state).toBe("HALF_OPEN");
  return home;
}

describe("a breaker that several clients use", () => {
  it("exists once, with the configuration of the first client", async () => {
    const home = await house();
    const [one, two] = [home.connect("one"), home.connect("two")];
    const first = one.breakers.breaker("api", FAST);
    await home.quiet();
    const second = two.breakers.breaker("api", { failureThreshold: 1 });
    await home.quiet();
    expect(home.service.list()).toHaveLength(1);
    fail(second, 2);
    expect([first, second].map((breaker) => breaker.status().state)).toEqual(["CLOSED", "CLOSED"]);
    expect(one.breakers.breaker("api")).toBe(first);
  });

  it("trips at once in the client that sees the failures, and then in all others", async () => {
    const home = await pair();
    fail(home.a, 2);
    expect(home.a.status().state).toBe("CLOSED");
    fail(home.a, 1);
    expect(home.a.status()).toMatchObject({ state: "OPEN", source: "LOCAL", connected: true });
    expect(home.a.tryAcquire()).toBeNull();
    expect(home.b.status().state).toBe("CLOSED");
    await home.quiet();
    for (const breaker of [home.a, home.b]) {
      expect(breaker.status()).toMatchObject({ state: "OPEN", source: "SERVICE", retryAfterMs: 1000, unreported: 0 });
      expect(breaker.tryAcquire()).toBeNull();
      expect(await breaker.acquire()).toBeNull();
    }
    expect(home.two.link.calls.get("AcquirePermit")).toBeUndefined();
  });

  it("trips by the outcomes of all clients together", async () => {
    const home = await pair();
    fail(home.a, 2);
    fail(home.b, 1);
    expect([home.a, home.b].map((breaker) => breaker.status().state)).toEqual(["CLOSED", "CLOSED"]);
    await home.pass(100);
    expect([home.a, home.b].map((breaker) => breaker.status().state)).toEqual(["OPEN", "OPEN"]);
  });

  it("passes again in a client that tripped it alone, if the service does not trip", async () => {
    const home = await pair();
    fail(home.a, 2);
    await home.pass(100);
    home.b.tryAcquire()?.settle("SUCCESS");
    await home.pass(100);
    fail(home.a, 1);
    expect(home.a.status()).toMatchObject({ state: "OPEN", source: "LOCAL" });
    await home.quiet();
    expect(home.service.get("api")).toMatchObject({ state: "CLOSED", counts: { consecutiveFailures: 1 } });
    expect(home.a.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
    // The client's own count starts over, too.
    fail(home.a, 1);
    expect(home.a.status().state).toBe("CLOSED");
  });

  it("stays open in a client whose stream restarts before its failures have arrived", async () => {
    const home = await pair();
    const release = home.one.link.holdCalls("ReportOutcomes");
    fail(home.a, 3);
    home.one.breakers.breaker("other");
    await home.pass(100);
    expect(home.one.link.calls.get("WatchBreakers")).toBe(2);
    expect(home.service.get("api").state).toBe("CLOSED");
    expect(home.a.status()).toMatchObject({ state: "OPEN", source: "LOCAL" });
    release();
    await home.quiet();
    expect(home.a.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
  });

  it("is independent of breakers with other names", async () => {
    const home = await tripped();
    expect(home.one.breakers.breaker("other").tryAcquire()).not.toBeNull();
    await home.pass(100);
    expect(home.one.breakers.breaker("other").status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("opens once however many failures arrive together, and its timeout is not extended", async () => {
    const home = await pair();
    const permits = Array.from({ length: 20 }, () => [home.a.tryAcquire(), home.b.tryAcquire()]).flat();
    for (const permit of permits.slice(0, 20)) permit?.settle("FAILURE");
    await home.pass(500);
    for (const permit of permits.slice(20)) permit?.settle("FAILURE");
    await home.pass(100);
    expect(home.service.get("api")).toMatchObject({ epoch: 2, counts: { failures: 3, lateFailures: 37 } });
    expect(home.a.status()).toMatchObject({ state: "OPEN", retryAfterMs: 400 });
  });

  it.each(["SUCCESS", "FAILURE"] as const)(
    "counts a late %s separately, and keeps its state, be it open, half-open or closed",
    async (outcome) => {
      const home = await pair();
      const [first, second, third] = [home.b.tryAcquire(), home.b.tryAcquire(), home.b.tryAcquire()];
      fail(home.a, 3);
      await home.quiet();
      first?.settle(outcome);
      await home.pass(100);
      expect(home.b.status().state).toBe("OPEN");
      await home.pass(900);
      second?.settle(outcome);
      await home.pass(100);
      expect(home.b.status().state).toBe("HALF_OPEN");
      (await home.a.acquire())?.settle("SUCCESS");
      await home.quiet();
      third?.settle(outcome);
      await home.pass(100);
      expect(home.b.status().state).toBe("CLOSED");
      const { counts, epoch } = home.service.get("api");
      expect(epoch).toBe(4);
      expect(counts.lateSuccesses + counts.lateFailures).toBe(3);
      expect(counts.consecutiveFailures).toBe(0);
    },
  );

  it("opens and closes on time although the wall clock is stepped", async () => {
    const home = await tripped();
    home.clock.stepWall(3_600_000);
    await home.pass(950);
    expect(home.b.status().state).toBe("OPEN");
    home.clock.stepWall(-7_200_000);
    await home.pass(50);
    expect(home.b.status().state).toBe("HALF_OPEN");
  });

  it("is created again, closed, after somebody deleted it", async () => {
    const home = await tripped();
    await home.service.delete("api");
    await home.quiet();
    expect(home.service.get("api")).toMatchObject({ state: "CLOSED", config: FAST });
    expect(home.a.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("follows a change of its configuration", async () => {
    const home = await pair();
    await home.service.update("api", { failureThreshold: 1 });
    await home.quiet();
    fail(home.a, 1);
    expect(home.a.status().state).toBe("OPEN");
  });

  it("does not trip while it is warming up", async () => {
    const home = await house();
    const { breakers } = home.connect("one");
    const api = breakers.breaker("api", { ...FAST, warmUpMs: 60_000 });
    fail(api, 5);
    expect(api.status()).toMatchObject({ state: "CLOSED", connected: false });
    await home.quiet();
    fail(api, 5);
    expect(api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
    await home.pass(60_000);
    fail(api, 3);
    expect(api.status().state).toBe("OPEN");
  });
});

describe("the only probe", () => {
  it("goes to one of two clients that race for it", async () => {
    const home = await halfOpen();
    const permits = await Promise.all([home.a.acquire(), home.b.acquire()]);
    expect(permits.filter((permit) => permit !== null)).toHaveLength(1);
    expect(home.service.get("api").probes).toBe(1);
  });

  it("goes to one of two calls of one client, and the other is rejected without asking", async () => {
    const home = await halfOpen();
    const work = Promise.withResolvers<number>();
    const ran = await Promise.allSettled([
      home.a.call(() => {
        setImmediate(() => work.resolve(7));
        return work.promise;
      }),
      home.a.call(() => 8),
    ]);
    expect(ran.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(home.one.link.calls.get("AcquirePermit")).toBe(1);
  });

  it("rejects all others while it is slow", async () => {
    const home = await halfOpen();
    const probe = await home.a.acquire();
    expect(probe).not.toBeNull();
    for (const breaker of [home.a, home.b]) expect(await breaker.acquire()).toBeNull();
    await home.pass(100);
    for (const breaker of [home.a, home.b]) expect(await breaker.acquire()).toBeNull();
    probe?.settle("SUCCESS");
    await home.quiet();
    for (const breaker of [home.a, home.b]) expect(breaker.tryAcquire()).not.toBeNull();
  });

  it("opens the breaker for all for the whole timeout if it fails", async () => {
    const home = await halfOpen();
    (await home.a.acquire())?.settle("FAILURE");
    await home.quiet();
    for (const breaker of [home.a, home.b])
      expect(breaker.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
  });

  it("leaves the breaker half-open until enough probes have succeeded", async () => {
    const home = await halfOpen({ ...FAST, successThreshold: 2 });
    (await home.a.acquire())?.settle("SUCCESS");
    await home.quiet();
    expect(home.b.status().state).toBe("HALF_OPEN");
    (await home.a.acquire())?.settle("SUCCESS");
    await home.quiet();
    expect(home.b.status().state).toBe("CLOSED");
  });

  it("frees its slot if it is ignored, and the breaker stays half-open", async () => {
    const home = await halfOpen();
    (await home.a.acquire())?.settle("IGNORED");
    await home.quiet();
    expect(home.service.get("api")).toMatchObject({ state: "HALF_OPEN", probes: 0 });
    expect(await home.a.acquire()).not.toBeNull();
  });

  it("frees its slot as a failure if it never reports, and its late report changes nothing", async () => {
    const home = await halfOpen();
    const hung = await home.a.acquire();
    await home.pass(500);
    expect(home.b.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
    hung?.settle("SUCCESS");
    await home.pass(1000);
    expect(home.service.get("api")).toMatchObject({ state: "HALF_OPEN", counts: { lateSuccesses: 1 } });
    // The expired probe does not keep its client from the next one.
    expect(await home.a.acquire()).not.toBeNull();
  });

  it("frees its slot as a failure if its client is gone", async () => {
    const home = await halfOpen();
    expect(await home.a.acquire()).not.toBeNull();
    await home.one.breakers.close();
    await home.quiet();
    expect(home.service.get("api")).toMatchObject({ state: "OPEN", probes: 0 });
    expect(home.b.status().state).toBe("OPEN");
  });

  it("remains valid while its client opens another stream for an added name", async () => {
    const home = await halfOpen();
    const probe = await home.a.acquire();
    home.one.breakers.breaker("other");
    await home.pass(100);
    expect(home.one.link.calls.get("WatchBreakers")).toBe(2);
    expect(home.one.link.streams()).toBe(1);
    expect(home.service.get("api")).toMatchObject({ state: "HALF_OPEN", probes: 1 });
    probe?.settle("SUCCESS");
    await home.quiet();
    expect(home.a.status().state).toBe("CLOSED");
  });

  it("is requested at most once in 100 ms while no slot is free", async () => {
    const home = await halfOpen();
    await home.b.acquire();
    for (let call = 0; call < 100; call += 1) await home.a.acquire();
    expect(home.one.link.calls.get("AcquirePermit")).toBe(1);
    await home.pass(100);
    for (let call = 0; call < 100; call += 1) await home.a.acquire();
    expect(home.one.link.calls.get("AcquirePermit")).toBe(2);
  });
});

describe("an override by an operator", () => {
  const decided = async (kind: "FORCED_OPEN" | "FORCED_CLOSED" | "DISABLED" | "METRICS_ONLY"): Promise<Two> => {
    const home = await pair();
    await home.service.override("api", { kind });
    await home.quiet();
    return home;
  };

  it("rejects everywhere with FORCED_OPEN, and no timer ends it", async () => {
    const home = await decided("FORCED_OPEN");
    await home.pass(5000);
    for (const breaker of [home.a, home.b]) {
      expect(breaker.status()).toMatchObject({ state: "OPEN", override: "FORCED_OPEN", retryAfterMs: undefined });
      expect(breaker.tryAcquire()).toBeNull();
      expect(await breaker.acquire()).toBeNull();
    }
    await home.service.reset("api");
    await home.quiet();
    expect(home.a.status()).toMatchObject({ state: "CLOSED", override: undefined });
  });

  it("passes all calls with FORCED_CLOSED, which are counted, so that the automatic state goes on", async () => {
    const home = await decided("FORCED_CLOSED");
    fail(home.a, 3);
    await home.pass(100);
    expect(home.service.get("api")).toMatchObject({ state: "CLOSED", automaticState: "OPEN" });
    expect(home.a.status()).toMatchObject({ state: "CLOSED", override: "FORCED_CLOSED" });
    await home.pass(1000);
    expect(home.service.get("api")).toMatchObject({ automaticState: "HALF_OPEN" });
    expect(home.a.tryAcquire()).not.toBeNull();
    expect(await Promise.all([home.a.call(() => 1), home.a.call(() => 2)])).toEqual([1, 2]);
    await home.quiet();
    expect(home.service.get("api")).toMatchObject({ state: "CLOSED", automaticState: "CLOSED" });
  });

  it("passes all calls with DISABLED, and reports nothing", async () => {
    const home = await decided("DISABLED");
    fail(home.a, 10);
    await home.pass(200);
    expect(home.a.status()).toMatchObject({ state: "CLOSED", unreported: 0 });
    expect(home.one.link.reports).toEqual([]);
    expect(home.service.get("api")).toMatchObject({ automaticState: "CLOSED", counts: { failures: 0 } });
  });

  it("passes all calls with METRICS_ONLY, and the service says when the breaker would have opened", async () => {
    const home = await decided("METRICS_ONLY");
    fail(home.a, 3);
    await home.pass(100);
    expect(home.a.status()).toMatchObject({ state: "CLOSED", override: "METRICS_ONLY" });
    expect(home.a.tryAcquire()).not.toBeNull();
    expect(home.service.get("api").transition.action).toBe("WouldTrip");
  });

  it("is followed by closed breakers with new counts at all clients after a reset", async () => {
    const home = await pair();
    fail(home.a, 2);
    await home.pass(100);
    await home.service.reset("api");
    await home.quiet();
    fail(home.a, 2);
    await home.pass(100);
    expect(home.a.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
    fail(home.a, 1);
    expect(home.a.status().state).toBe("OPEN");
  });

  it("by two holders ends when both have released it", async () => {
    const home = await pair();
    await home.service.open("api", { holdId: "x" });
    await home.service.open("api", { holdId: "y" });
    for (const [holdId, state] of [
      ["x", "OPEN"],
      ["x", "OPEN"],
      ["y", "CLOSED"],
    ] as const) {
      await home.service.releaseHold("api", holdId);
      await home.quiet();
      expect(home.a.status().state).toBe(state);
    }
  });
});
