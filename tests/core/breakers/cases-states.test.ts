import { describe, expect, it } from "vitest";
import { FAST, halfOpen, now, open, say, take, withBreaker } from "./cases.ts";
import { fail, type Rig, rig, succeed } from "./rig.ts";

// The behaviours of a breaker that matter, collected from the tests and the issues of opossum, cockatiel, gobreaker,
// failsafe-go and resilience4j, with their numbers. Behaviours of clients are tested with the client.

const watcherOf = (clientId: string) =>
  ({ options: { who: { watchId: "w", clientId, peer: "" } } }) as unknown as Parameters<
    Rig["breakers"]["presence"]["opened"]
  >[0];

describe("a closed breaker", () => {
  it("starts with counts of zero", async () => {
    const setup = await withBreaker();
    expect(now(setup)).toMatchObject({ state: "CLOSED", epoch: 1, reopenings: 0, probes: 0 });
    const { window, ...counts } = now(setup).counts;
    expect(window).toBeUndefined();
    expect(new Set(Object.values(counts))).toEqual(new Set([0]));
  });

  it("opens at the threshold of failures in a row, and a success resets the count", async () => {
    const setup = await withBreaker();
    fail(setup, "api", 2);
    succeed(setup, "api");
    fail(setup, "api", 2);
    expect(now(setup)).toMatchObject({ state: "CLOSED", counts: { consecutiveFailures: 2 } });
    fail(setup, "api", 1);
    expect(now(setup).state).toBe("OPEN");
  });

  it("counts an ignored outcome neither as success nor as failure", async () => {
    const setup = await withBreaker({ failureRate: 0.5, minimumCalls: 2, failureThreshold: 100 });
    say(setup, take(setup), "IGNORED");
    expect(now(setup).counts).toMatchObject({ ignored: 1, window: { calls: 0, failures: 0 } });
  });

  it("opens by a rate only after the minimum number of calls, which does not apply while half-open", async () => {
    const setup = await withBreaker({ failureRate: 0.5, minimumCalls: 10, failureThreshold: 100 });
    fail(setup, "api", 9);
    expect(now(setup).state).toBe("CLOSED");
    fail(setup, "api", 1);
    expect(now(setup).state).toBe("OPEN");
    setup.clock.advance(1000);
    say(setup, take(setup), "FAILURE");
    expect(now(setup).state).toBe("OPEN");
  });

  it("does not open while it warms up, and does after it", async () => {
    const setup = await withBreaker({ warmUpMs: 5000 });
    fail(setup, "api", 50);
    setup.clock.advance(4999);
    fail(setup, "api", 1);
    expect(now(setup).state).toBe("CLOSED");
    setup.clock.advance(1);
    fail(setup, "api", 1);
    expect(now(setup).state).toBe("OPEN");
    await setup.breakers.reset("api");
    fail(setup, "api", 3);
    expect(now(setup).state).toBe("OPEN");
  });

  it("ignores failures that are older than its window, also after a time without calls", async () => {
    const setup = await withBreaker({ failureThreshold: 100, failureRate: 0.5, minimumCalls: 4, windowMs: 10_000 });
    fail(setup, "api", 3);
    setup.clock.advance(10_001);
    expect(now(setup).counts.window).toEqual({ calls: 0, failures: 0, slow: 0 });
    fail(setup, "api", 3);
    expect(now(setup)).toMatchObject({ state: "CLOSED", counts: { window: { calls: 3, failures: 3 } } });
    fail(setup, "api", 1);
    expect(now(setup).state).toBe("OPEN");
  });

  it("drops the oldest call from a full window of calls", async () => {
    const setup = await withBreaker({ failureThreshold: 100, failureRate: 1, windowCalls: 4 });
    succeed(setup, "api");
    fail(setup, "api", 3);
    expect(now(setup)).toMatchObject({ state: "CLOSED", counts: { window: { calls: 4, failures: 3 } } });
    fail(setup, "api", 1);
    expect(now(setup).state).toBe("OPEN");
  });

  it("opens because of slow calls, whether they fail or not", async () => {
    const config = { failureThreshold: 100, slowCallRate: 0.6, slowCallDurationMs: 100, minimumCalls: 4 };
    const setup = await withBreaker(config);
    for (const ms of [100, 101, 101]) say(setup, take(setup), "SUCCESS", ms);
    expect(now(setup)).toMatchObject({ state: "CLOSED", counts: { slow: 2, window: { calls: 3, slow: 2 } } });
    say(setup, take(setup), "SUCCESS", 99);
    expect(now(setup).state).toBe("CLOSED");
    say(setup, take(setup), "FAILURE", 200);
    expect(now(setup)).toMatchObject({ state: "OPEN", transition: { action: "Trip" } });
  });

  it.each([
    [7, 100, 0.07],
    [29, 100, 0.29],
    [57, 100, 0.57],
    [58, 100, 0.58],
    [3, 10, 0.3],
    [1, 3, 1 / 3],
    [1, 49, 1 / 49],
  ])(
    "opens at the call at which %i of %i have failed, for a rate of %d, in any order",
    async (failures, calls, failureRate) => {
      for (const failsFirst of [true, false]) {
        const setup = await withBreaker({ failureThreshold: 1000, failureRate, minimumCalls: calls });
        const parts = [
          () => fail(setup, "api", failures),
          () => succeed(setup, "api", calls - failures - (failsFirst ? 1 : 0)),
        ];
        for (const part of failsFirst ? parts : parts.reverse()) part();
        if (failsFirst) {
          expect(now(setup).state).toBe("CLOSED");
          succeed(setup, "api");
        }
        expect(now(setup)).toMatchObject({ state: "OPEN", transition: { action: "Trip" } });
      }
    },
  );

  it("opens at a success that arrives after older successes have left the window", async () => {
    const setup = await withBreaker({ failureThreshold: 100, failureRate: 0.5, minimumCalls: 4, windowMs: 10_000 });
    succeed(setup, "api", 4);
    setup.clock.advance(5000);
    fail(setup, "api", 3);
    setup.clock.advance(6000);
    expect(now(setup)).toMatchObject({ state: "CLOSED", counts: { window: { calls: 3, failures: 3 } } });
    succeed(setup, "api");
    expect(now(setup).state).toBe("OPEN");
  });

  it("stays closed at a success of a call in the service if too few clients have seen the failures", async () => {
    const setup = await withBreaker({ failureThreshold: 100, failureRate: 0.5, minimumCalls: 4, minReporters: 2 });
    setup.breakers.report("a", 1, [{ name: "api", epoch: 1, runs: [{ outcome: "FAILURE", count: 3 }] }]);
    succeed(setup, "api");
    expect(now(setup).state).toBe("CLOSED");
  });

  it("is independent of breakers with other names", async () => {
    const setup = await open();
    await setup.breakers.getOrCreate("other", FAST);
    expect(setup.breakers.get("other")).toMatchObject({ state: "CLOSED", counts: { failures: 0 } });
    expect(setup.breakers.acquire("other").allowed).toBe(true);
  });
});

describe("an open breaker", () => {
  it("rejects without a call, and counts the rejection separately", async () => {
    const setup = await open();
    let called = 0;
    const call = setup.breakers.handle("api").call(() => ++called);
    await expect(call).rejects.toMatchObject({ reason: "BREAKER_OPEN" });
    expect(called).toBe(0);
    expect(now(setup).counts).toMatchObject({ rejected: 1, failures: 3, successes: 0 });
  });

  it("is open just before its timeout; just after it, the first caller is a probe", async () => {
    const setup = await open();
    setup.clock.advance(999);
    expect(setup.breakers.acquire("api")).toMatchObject({ allowed: false, retryAfterMs: 1 });
    setup.clock.advance(1);
    expect(take(setup).leaseId).toBeDefined();
  });

  it("opens once at many failures that arrive together, and keeps its timeout", async () => {
    const setup = await withBreaker();
    const permits = Array.from({ length: 8 }, () => take(setup));
    for (const permit of permits.slice(0, 3)) say(setup, permit, "FAILURE");
    setup.clock.advance(400);
    for (const permit of permits.slice(3)) say(setup, permit, "FAILURE");
    expect(now(setup)).toMatchObject({ retryAfterMs: 600, counts: { failures: 3, lateFailures: 5 } });
    await setup.breakers.stored();
    expect((await setup.actions("api")).filter((action) => action === "Trip")).toHaveLength(1);
  });

  it("ignores late outcomes of an earlier epoch, whatever its state (cases 13, 14, 41)", async () => {
    const setup = await withBreaker();
    const old = take(setup);
    fail(setup, "api", 3);
    for (const state of ["OPEN", "HALF_OPEN", "CLOSED"]) {
      if (state === "HALF_OPEN") setup.clock.advance(1000);
      if (state === "CLOSED") for (let probe = 0; probe < 2; probe += 1) say(setup, take(setup), "SUCCESS");
      const before = now(setup);
      expect(before.state).toBe(state);
      for (const outcome of ["SUCCESS", "FAILURE"] as const) say(setup, old, outcome);
      const { lateSuccesses, lateFailures, ...counts } = now(setup).counts;
      expect(counts).toEqual(
        expect.objectContaining({ failures: before.counts.failures, successes: before.counts.successes }),
      );
      expect([lateSuccesses, lateFailures]).toEqual([before.counts.lateSuccesses + 1, before.counts.lateFailures + 1]);
      expect(now(setup)).toMatchObject({ state, epoch: before.epoch });
    }
  });

  it("stays open longer after each failed probe, up to a limit, and resets this backoff once it closes", async () => {
    const setup = await open({ timeoutMultiplier: 3, maxTimeoutMs: 5000 });
    const lasted: unknown[] = [];
    for (let turn = 0; turn < 4; turn += 1) {
      const { retryAfterMs = 0, reopenings } = now(setup);
      lasted.push([reopenings, retryAfterMs]);
      setup.clock.advance(retryAfterMs);
      say(setup, take(setup), turn === 3 ? "SUCCESS" : "FAILURE");
    }
    expect(lasted).toEqual([
      [0, 1000],
      [1, 3000],
      [2, 5000],
      [3, 5000],
    ]);
    say(setup, take(setup), "SUCCESS");
    fail(setup, "api", 3);
    expect(now(setup)).toMatchObject({ state: "OPEN", retryAfterMs: 1000, reopenings: 0 });
  });

  it("varies the time it stays open by a random share within the configured jitter", async () => {
    for (const [chance, ms] of [
      [0, 1600],
      [0.5, 2000],
      [1 - Number.EPSILON, 2400],
    ] as const) {
      const setup = await rig({ random: () => chance });
      await setup.breakers.getOrCreate("api", { ...FAST, timeoutMultiplier: 2, jitter: 0.2 });
      fail(setup, "api", 3);
      expect(now(setup).retryAfterMs).toBe(1000);
      setup.clock.advance(1000);
      say(setup, take(setup), "FAILURE");
      expect(now(setup).retryAfterMs).toBeCloseTo(ms, 6);
    }
  });

  it("is unaffected by a step of the wall clock by an hour", async () => {
    const setup = await open();
    for (const stepMs of [3_600_000, -7_200_000]) setup.clock.stepWall(stepMs);
    expect(now(setup)).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
    setup.clock.advance(1000);
    expect(now(setup).state).toBe("HALF_OPEN");
  });
});

describe("a half-open breaker", () => {
  it("rejects all others during a slow probe, and opens again for its whole timeout if the probe fails (cases 5, 6)", async () => {
    const setup = await halfOpen();
    const probe = take(setup);
    for (let call = 0; call < 5; call += 1) expect(setup.breakers.acquire("api").allowed).toBe(false);
    setup.clock.advance(300);
    say(setup, probe, "FAILURE");
    expect(now(setup)).toMatchObject({ state: "OPEN", retryAfterMs: 1000, transition: { action: "Reopen" } });
  });

  it("closes at the last success that is needed, and resets its counts", async () => {
    const setup = await halfOpen();
    say(setup, take(setup), "SUCCESS");
    expect(now(setup)).toMatchObject({ state: "HALF_OPEN", counts: { consecutiveSuccesses: 1 } });
    say(setup, take(setup), "SUCCESS");
    expect(now(setup)).toMatchObject({ state: "CLOSED", counts: { consecutiveSuccesses: 0, consecutiveFailures: 0 } });
  });

  it("gives out only as many permits as it needs successes, and closes when the last one succeeds", async () => {
    const setup = await halfOpen({ successThreshold: 3, probeConcurrency: 3 });
    const permits = [take(setup), take(setup), take(setup)];
    expect(setup.breakers.acquire("api").allowed).toBe(false);
    for (const permit of permits) {
      expect(now(setup).state).toBe("HALF_OPEN");
      say(setup, permit, "SUCCESS");
    }
    expect(now(setup).state).toBe("CLOSED");
  });

  it("opens again at a failed probe, or when too large a share of probes has failed", async () => {
    const strict = await halfOpen({ successThreshold: 4, probeConcurrency: 4 });
    say(strict, take(strict), "FAILURE");
    expect(now(strict).state).toBe("OPEN");
    const tolerant = await halfOpen({ successThreshold: 4, probeFailureRate: 0.5 });
    for (const outcome of ["SUCCESS", "FAILURE", "FAILURE"] as const) say(tolerant, take(tolerant), outcome);
    expect(now(tolerant).state).toBe("HALF_OPEN");
    say(tolerant, take(tolerant), "FAILURE");
    expect(now(tolerant).state).toBe("OPEN");
  });

  it("keeps its state at an ignored probe, and frees the slot", async () => {
    const setup = await halfOpen();
    say(setup, take(setup), "IGNORED");
    expect(now(setup)).toMatchObject({ state: "HALF_OPEN", probes: 0 });
    expect(take(setup).leaseId).toBeDefined();
  });

  it("closes at an error that is configured to count as a success", async () => {
    const setup = await halfOpen({ successThreshold: 1 });
    const handle = setup.breakers.handle("api");
    const wrong = new Error("wrong input");
    const refuse = (): never => {
      throw wrong;
    };
    await expect(handle.call(refuse, { isFailure: () => false })).rejects.toBe(wrong);
    expect(now(setup)).toMatchObject({ state: "HALF_OPEN", counts: { ignored: 1 } });
    await expect(handle.call(refuse, { isFailure: () => false, notFailureAs: "SUCCESS" })).rejects.toBe(wrong);
    expect(now(setup).state).toBe("CLOSED");
  });

  it("opens again at a slow probe if slow calls count", async () => {
    const setup = await halfOpen({ slowCallRate: 1, slowCallDurationMs: 100 });
    say(setup, take(setup), "SUCCESS", 101);
    expect(now(setup).state).toBe("OPEN");
  });

  it("gives the slot of a probe that never reports to the next call, and ignores its late report", async () => {
    const setup = await halfOpen();
    const lost = take(setup);
    setup.clock.advance(500);
    expect(now(setup)).toMatchObject({ state: "OPEN", transition: { action: "LeaseExpired" } });
    setup.clock.advance(1000);
    say(setup, lost, "SUCCESS");
    expect(now(setup).counts).toMatchObject({ lateSuccesses: 1, consecutiveSuccesses: 0 });
    expect(take(setup).leaseId).not.toBe(lost.leaseId);
  });

  it("frees the probes of a client that is gone as failures, and keeps those of other clients", async () => {
    const setup = await halfOpen({ probeConcurrency: 2 });
    const watch = (clientId: string) => setup.breakers.presence.opened(watcherOf(clientId));
    watch("gone");
    watch("gone");
    take(setup, "gone");
    setup.breakers.presence.closed(watcherOf("gone"));
    setup.breakers.presence.closed(watcherOf("other"));
    expect(now(setup)).toMatchObject({ state: "HALF_OPEN", probes: 1 });
    setup.breakers.presence.closed(watcherOf("gone"));
    expect(now(setup)).toMatchObject({ state: "OPEN", transition: { action: "ClientLost" }, counts: { failures: 4 } });
  });

  it("gives its only permit to one of two clients, and to one of two calls of a client", async () => {
    for (const clients of [
      ["a", "b"],
      ["a", "a"],
    ]) {
      const setup = await halfOpen();
      const won = clients.filter((clientId) => setup.breakers.acquire("api", clientId).allowed);
      expect(won).toHaveLength(1);
    }
  });

  it("takes back a permit whose call never started", async () => {
    const setup = await halfOpen();
    const permit = take(setup);
    setup.breakers.release("api", permit);
    expect(now(setup)).toMatchObject({ probes: 0, counts: { ignored: 0, successes: 0 } });
    expect(take(setup).leaseId).toBeDefined();
  });
});
