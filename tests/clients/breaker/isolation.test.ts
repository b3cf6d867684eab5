import { describe, expect, it } from "vitest";
import type { ClientBreaker } from "../../../clients/typescript/src/index.ts";
import { fail, type Peer, type ServiceRig, serviceRig } from "./rig.ts";

const SHARED = { failureThreshold: 3, timeoutMs: 1000, successThreshold: 2, probeConcurrency: 1, minReporters: 2 };

interface Isolated extends ServiceRig {
  readonly one: Peer;
  readonly bad: ClientBreaker;
  readonly good: ClientBreaker;
}

/** One client whose calls all fail, and another whose calls succeed. */
async function isolated(config = SHARED): Promise<Isolated> {
  const rig = await serviceRig();
  const [one, two] = [rig.connect("bad"), rig.connect("good")];
  const [bad, good] = [one.breakers.breaker("api", config), two.breakers.breaker("api", config)];
  await rig.quiet();
  good.tryAcquire()?.settle("SUCCESS");
  await rig.pass(100);
  fail(bad, 3);
  await rig.quiet();
  return { ...rig, one, bad, good };
}

describe("a client that fails alone, where a trip takes two reporters", () => {
  it("is rejected in its own process, and the other clients pass", async () => {
    const rig = await isolated();
    expect(rig.bad.status()).toMatchObject({ state: "OPEN", source: "SERVICE", retryAfterMs: 1000 });
    expect(rig.bad.tryAcquire()).toBeNull();
    expect(await rig.bad.acquire()).toBeNull();
    expect(rig.one.link.calls.get("AcquirePermit")).toBeUndefined();
    expect(rig.service.get("api").state).toBe("CLOSED");
    expect(rig.good.status().state).toBe("CLOSED");
    expect(rig.good.tryAcquire()).not.toBeNull();
  });

  it("asks for probes after the timeout, and passes again after enough successes", async () => {
    const rig = await isolated();
    await rig.pass(1000);
    expect(rig.bad.status().state).toBe("HALF_OPEN");
    expect(rig.bad.tryAcquire()).toBeNull();
    for (let probe = 0; probe < 2; probe += 1) {
      (await rig.bad.acquire())?.settle("SUCCESS");
      await rig.quiet();
    }
    expect(rig.bad.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
    expect(rig.bad.tryAcquire()).not.toBeNull();
    expect(rig.service.get("api").isolatedClients).toEqual([]);
  });

  it("is rejected again if a probe fails", async () => {
    const rig = await isolated();
    await rig.pass(1000);
    (await rig.bad.acquire())?.settle("FAILURE");
    await rig.quiet();
    expect(rig.bad.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
  });

  it("learns that it is isolated when it asks for a permit", async () => {
    const rig = await isolated();
    const again = rig.connect("bad");
    const late = again.breakers.breaker("api", SHARED);
    const release = rig.one.link.holdCalls("AcquirePermit");
    await rig.pass(1000);
    const first = rig.bad.acquire();
    await rig.quiet();
    rig.service.report("bad", 100, [
      {
        name: "api",
        epoch: 1,
        leaseId: (rig.service.acquire("api", "bad") as { readonly leaseId: string }).leaseId,
        runs: [{ outcome: "FAILURE", count: 1 }],
      },
    ]);
    release();
    expect(await first).toBeNull();
    expect(rig.bad.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
    expect(late.status().state).toBe("CLOSED");
  });

  it("keeps passing if a late answer refuses a probe from before its isolation ended", async () => {
    const rig = await isolated({ ...SHARED, successThreshold: 1, probeConcurrency: 2 });
    await rig.pass(1000);
    const probe = await rig.bad.acquire();
    const release = rig.one.link.holdAnswers("AcquirePermit");
    const refused = rig.bad.acquire();
    await rig.quiet();
    probe?.settle("SUCCESS");
    await rig.quiet();
    expect(rig.bad.status().state).toBe("CLOSED");
    release();
    // The state that has arrived meanwhile lets the call pass.
    expect(await refused).not.toBeNull();
    expect(rig.bad.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("passes again once the breaker is reset", async () => {
    const rig = await isolated();
    await rig.service.reset("api");
    await rig.quiet();
    expect(rig.bad.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("passes again after its connection was lost and the service has forgotten its isolation", async () => {
    const rig = await isolated({ ...SHARED, timeoutMs: 60_000 });
    rig.one.link.down();
    await rig.quiet();
    expect(rig.service.get("api").isolatedClients).toEqual([]);
    expect(rig.bad.status()).toMatchObject({ state: "OPEN", source: "LOCAL", connected: false });
    rig.one.link.up();
    await rig.pass(1000);
    expect(rig.bad.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("is isolated again when an operator releases an override", async () => {
    const rig = await isolated({ ...SHARED, timeoutMs: 60_000 });
    await rig.service.override("api", { kind: "DISABLED" });
    await rig.quiet();
    expect(rig.bad.tryAcquire()).not.toBeNull();
    await rig.service.releaseHold("api");
    await rig.quiet();
    expect(rig.bad.status()).toMatchObject({ state: "OPEN", retryAfterMs: 60_000 });
  });

  it("goes on rejecting until its timeout if the service goes away meanwhile", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("bad");
    const bad = breakers.breaker("api", { ...SHARED, timeoutMs: 60_000 });
    await rig.quiet();
    fail(bad, 3);
    await rig.quiet();
    link.down();
    await rig.pass(31_000);
    expect(bad.status()).toMatchObject({ state: "OPEN", source: "LOCAL", connected: false, retryAfterMs: 29_000 });
    await rig.pass(29_000);
    expect(bad.tryAcquire()).not.toBeNull();
  });
});
