import { describe, expect, it } from "vitest";
import type { ClientBreaker } from "../../../clients/typescript/src/index.ts";
import { type House, house, type Peer } from "./rig.ts";

const SHARED = { failureThreshold: 3, timeoutMs: 1000, successThreshold: 2, probeConcurrency: 1, minReporters: 2 };

interface Isolated extends House {
  readonly one: Peer;
  readonly bad: ClientBreaker;
  readonly good: ClientBreaker;
}

const fail = (breaker: ClientBreaker, times: number): void => {
  for (let call = 0; call < times; call += 1) breaker.tryAcquire()?.settle("FAILURE");
};

/** One client whose calls all fail, and another whose calls succeed. */
async function isolated(config = SHARED): Promise<Isolated> {
  const home = await house();
  const [one, two] = [home.connect("bad"), home.connect("good")];
  const [bad, good] = [one.breakers.breaker("api", config), two.breakers.breaker("api", config)];
  await home.quiet();
  good.tryAcquire()?.settle("SUCCESS");
  await home.pass(100);
  fail(bad, 3);
  await home.quiet();
  return { ...home, one, bad, good };
}

describe("a client that fails alone, where a trip takes two reporters", () => {
  it("is rejected in its own process, and the other clients pass", async () => {
    const home = await isolated();
    expect(home.bad.status()).toMatchObject({ state: "OPEN", source: "SERVICE", retryAfterMs: 1000 });
    expect(home.bad.tryAcquire()).toBeNull();
    expect(await home.bad.acquire()).toBeNull();
    expect(home.one.link.calls.get("AcquirePermit")).toBeUndefined();
    expect(home.service.get("api").state).toBe("CLOSED");
    expect(home.good.status().state).toBe("CLOSED");
    expect(home.good.tryAcquire()).not.toBeNull();
  });

  it("asks for probes after the timeout, and passes again after enough successes", async () => {
    const home = await isolated();
    await home.pass(1000);
    expect(home.bad.status().state).toBe("HALF_OPEN");
    expect(home.bad.tryAcquire()).toBeNull();
    for (let probe = 0; probe < 2; probe += 1) {
      (await home.bad.acquire())?.settle("SUCCESS");
      await home.quiet();
    }
    expect(home.bad.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
    expect(home.bad.tryAcquire()).not.toBeNull();
    expect(home.service.get("api").isolatedClients).toEqual([]);
  });

  it("is rejected again if a probe fails", async () => {
    const home = await isolated();
    await home.pass(1000);
    (await home.bad.acquire())?.settle("FAILURE");
    await home.quiet();
    expect(home.bad.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
  });

  it("learns that it is isolated when it asks for a permit", async () => {
    const home = await isolated();
    const again = home.connect("bad");
    const late = again.breakers.breaker("api", SHARED);
    const release = home.one.link.holdCalls("AcquirePermit");
    await home.pass(1000);
    const first = home.bad.acquire();
    await home.quiet();
    home.service.report("bad", 100, [
      {
        name: "api",
        epoch: 1,
        leaseId: (home.service.acquire("api", "bad") as { readonly leaseId: string }).leaseId,
        runs: [{ outcome: "FAILURE", count: 1 }],
      },
    ]);
    release();
    expect(await first).toBeNull();
    expect(home.bad.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
    expect(late.status().state).toBe("CLOSED");
  });

  it("keeps passing if a late answer refuses a probe from before its isolation ended", async () => {
    const home = await isolated({ ...SHARED, successThreshold: 1, probeConcurrency: 2 });
    await home.pass(1000);
    const probe = await home.bad.acquire();
    const release = home.one.link.holdAnswers("AcquirePermit");
    const refused = home.bad.acquire();
    await home.quiet();
    probe?.settle("SUCCESS");
    await home.quiet();
    expect(home.bad.status().state).toBe("CLOSED");
    release();
    // The state that has arrived meanwhile lets the call pass.
    expect(await refused).not.toBeNull();
    expect(home.bad.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("passes again once the breaker is reset", async () => {
    const home = await isolated();
    await home.service.reset("api");
    await home.quiet();
    expect(home.bad.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("passes again after its connection was lost and the service has forgotten its isolation", async () => {
    const home = await isolated({ ...SHARED, timeoutMs: 60_000 });
    home.one.link.down();
    await home.quiet();
    expect(home.service.get("api").isolatedClients).toEqual([]);
    expect(home.bad.status()).toMatchObject({ state: "OPEN", source: "LOCAL", connected: false });
    home.one.link.up();
    await home.pass(1000);
    expect(home.bad.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("is isolated again when an operator releases an override", async () => {
    const home = await isolated({ ...SHARED, timeoutMs: 60_000 });
    await home.service.override("api", { kind: "DISABLED" });
    await home.quiet();
    expect(home.bad.tryAcquire()).not.toBeNull();
    await home.service.releaseHold("api");
    await home.quiet();
    expect(home.bad.status()).toMatchObject({ state: "OPEN", retryAfterMs: 60_000 });
  });

  it("goes on rejecting until its timeout if the service goes away meanwhile", async () => {
    const home = await house();
    const { breakers, link } = home.connect("bad");
    const bad = breakers.breaker("api", { ...SHARED, timeoutMs: 60_000 });
    await home.quiet();
    fail(bad, 3);
    await home.quiet();
    link.down();
    await home.pass(31_000);
    expect(bad.status()).toMatchObject({ state: "OPEN", source: "LOCAL", connected: false, retryAfterMs: 29_000 });
    await home.pass(29_000);
    expect(bad.tryAcquire()).not.toBeNull();
  });
});
