import { describe, expect, it, vi } from "vitest";
import { MOST_CREATIONS } from "../../../clients/typescript/src/breaker/creations.ts";
import type { BreakerOptions, ClientBreaker } from "../../../clients/typescript/src/index.ts";
import { fail, openInService, type Peer, type ServiceRig, serviceRig } from "./rig.ts";

const FAST = { failureThreshold: 3, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };
const STALE_MS = 31_000;

type Away = ServiceRig & Peer & { readonly api: ClientBreaker };

async function withBreaker(options: BreakerOptions = {}): Promise<Away> {
  const rig = await serviceRig();
  const peer = rig.connect("one");
  const api = peer.breakers.breaker("api", FAST, options);
  await rig.quiet();
  return { ...rig, ...peer, api };
}

/** A client that knows that the service is gone. */
async function away(options: BreakerOptions, before: (rig: Away) => Promise<void> = async () => {}): Promise<Away> {
  const rig = await withBreaker(options);
  await before(rig);
  rig.link.down();
  await rig.pass(STALE_MS);
  expect(rig.api.status()).toMatchObject({ connected: false, source: "LOCAL" });
  return rig;
}

const force =
  (kind: "FORCED_OPEN" | "DISABLED") =>
  async ({ service, quiet }: ServiceRig): Promise<void> => {
    await service.override("api", { kind });
    await quiet();
  };

describe("the connection status of a client", () => {
  it("becomes disconnected after maxStalenessMs without a message, not when the connection breaks", async () => {
    const rig = await withBreaker({ maxStalenessMs: 5000 });
    rig.link.down();
    await rig.pass(4950);
    expect(rig.api.status()).toMatchObject({ connected: true, source: "SERVICE", staleMs: 4950 });
    await rig.pass(50);
    expect(rig.api.status()).toMatchObject({ connected: false, source: "LOCAL", staleMs: 5000 });
  });

  it("stays connected while the service is quiet, because the client requests frequent enough heartbeats", async () => {
    const rig = await withBreaker({ maxStalenessMs: 3000 });
    for (let second = 0; second < 20; second += 1) {
      await rig.pass(1000);
      expect(rig.api.status()).toMatchObject({ connected: true });
      expect(rig.api.status().staleMs).toBeLessThanOrEqual(1000);
    }
  });

  it("is disconnected until the client has received the state of the breaker", async () => {
    const rig = await serviceRig();
    const { breakers } = rig.connect("one", (link) => link.down());
    const api = breakers.breaker("api", FAST);
    expect(api.status()).toMatchObject({ connected: false, source: "LOCAL", state: "CLOSED", staleMs: undefined });
    await rig.pass(1000);
    expect(api.status()).toMatchObject({ connected: false, staleMs: undefined });
  });

  it.each([0, 999, Number.NaN])("refuses a maxStalenessMs of %s", async (maxStalenessMs) => {
    const { breakers } = (await serviceRig()).connect("one");
    expect(() => breakers.breaker("api", {}, { maxStalenessMs })).toThrow("maxStalenessMs");
  });

  it("refuses an unknown onDisconnect policy", async () => {
    const { breakers } = (await serviceRig()).connect("one");
    expect(() => breakers.breaker("api", {}, { onDisconnect: "HOPE" as "ALLOW" })).toThrow("onDisconnect");
  });
});

describe("an open breaker whose client has lost its connection", () => {
  it("continues alone at once: its timeout runs, and it gives out its own probes", async () => {
    const rig = await withBreaker();
    await openInService(rig);
    await rig.pass(200);
    rig.link.down();
    await rig.quiet();
    expect(rig.api.status()).toMatchObject({ state: "OPEN", source: "LOCAL", connected: false, retryAfterMs: 800 });
    await rig.pass(750);
    expect(rig.api.tryAcquire()).toBeNull();
    await rig.pass(50);
    rig.api.tryAcquire()?.settle("SUCCESS");
    expect(rig.api.status()).toMatchObject({ state: "CLOSED", source: "LOCAL" });
  });

  it("continues alone also if it trips after the loss, or was half-open before it", async () => {
    for (const isHalfOpen of [false, true]) {
      const rig = await withBreaker();
      if (isHalfOpen) await openInService(rig);
      if (isHalfOpen) await rig.pass(1000);
      rig.link.down();
      await rig.quiet();
      if (!isHalfOpen) {
        expect(rig.api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE", connected: true });
        fail(rig.api, 3);
        expect(rig.api.status()).toMatchObject({ state: "OPEN", source: "LOCAL", connected: false });
        await rig.pass(1000);
      }
      const probe = rig.api.tryAcquire();
      expect(probe).not.toBeNull();
      expect(rig.api.tryAcquire()).toBeNull();
      probe?.settle("SUCCESS");
      expect(rig.api.status()).toMatchObject({ state: "CLOSED" });
    }
  });

  it("takes the state of the service again as soon as the service is back", async () => {
    const rig = await withBreaker();
    await openInService(rig);
    rig.link.down();
    await rig.pass(1000);
    rig.api.tryAcquire()?.settle("SUCCESS");
    expect(rig.api.status()).toMatchObject({ state: "CLOSED", source: "LOCAL" });
    rig.link.up();
    await rig.pass(1000);
    expect(rig.api.status()).toMatchObject({ state: "HALF_OPEN", source: "SERVICE", connected: true });
  });

  it.each(["HOLD_LAST", "ALLOW", "REJECT"] as const)(
    "keeps the last state of the service until that is stale, under the policy %s",
    async (onDisconnect) => {
      const rig = await withBreaker({ onDisconnect });
      await openInService(rig);
      rig.link.down();
      await rig.pass(500);
      expect(rig.api.status()).toMatchObject({ state: "OPEN", connected: true });
    },
  );
});

describe("many breakers of one client", () => {
  it("are created a few at a time, and not at all if the watch already shows them", async () => {
    const rig = await serviceRig();
    const names = Array.from({ length: 200 }, (_, index) => `b${index}`);
    for (const name of names) await rig.service.getOrCreate(name);
    const { breakers, link } = rig.connect("one");
    const release = link.holdCalls("GetOrCreateBreaker");
    const all = names.map((name) => breakers.breaker(name));
    await rig.quiet();
    expect(all.every((breaker) => breaker.status().source === "SERVICE")).toBe(true);
    expect(link.calls.get("WatchBreakers")).toBe(1);
    expect(link.calls.get("GetOrCreateBreaker")).toBe(MOST_CREATIONS);
    release();
    await rig.quiet();
    expect(link.calls.get("GetOrCreateBreaker")).toBe(MOST_CREATIONS);
  });

  it("are all created, a few at a time, if the service has none of them", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("one");
    const names = Array.from({ length: 100 }, (_, index) => `b${index}`);
    const all = names.map((name) => breakers.breaker(name));
    await rig.pass(100);
    expect(all.every((breaker) => breaker.status().source === "SERVICE")).toBe(true);
    // Breakers that were requested before the stream began are missing in its snapshot.
    expect(link.calls.get("GetOrCreateBreaker")).toBeLessThanOrEqual(names.length + MOST_CREATIONS);
  });

  it("share few streams while they are added one by one, and one stream afterwards", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("one");
    const all: ClientBreaker[] = [];
    for (let index = 0; index < 1100; index += 1) {
      all.push(breakers.breaker(`b${index}`));
      if (index % 100 === 0) await rig.pass(50);
    }
    await rig.pass(200);
    const streams = link.calls.get("WatchBreakers") ?? 0;
    expect(streams).toBeLessThanOrEqual(8);
    expect(link.streams()).toBe(1);
    all.push(breakers.breaker("later"));
    await rig.quiet();
    expect(link.calls.get("WatchBreakers")).toBe(streams);
    expect(all.filter((breaker) => breaker.status().source !== "SERVICE")).toEqual([]);
    await rig.service.open("later");
    await rig.quiet();
    expect(all.at(-1)?.status().state).toBe("OPEN");
  });
});

describe("LOCAL", () => {
  it("trips, waits, probes and closes without the service", async () => {
    const rig = await away({});
    fail(rig.api, 2);
    expect(rig.api.status().state).toBe("CLOSED");
    fail(rig.api, 1);
    expect(rig.api.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
    await rig.pass(999);
    expect(rig.api.tryAcquire()).toBeNull();
    await rig.pass(1);
    expect(rig.api.status().state).toBe("HALF_OPEN");
    const probe = rig.api.tryAcquire();
    expect(probe).not.toBeNull();
    expect(rig.api.tryAcquire()).toBeNull();
    expect(await rig.api.acquire()).toBeNull();
    probe?.settle("SUCCESS");
    expect(rig.api.status().state).toBe("CLOSED");
    expect(rig.link.calls.get("AcquirePermit")).toBeUndefined();
  });

  it("opens again after a probe that fails, and after one that never reports", async () => {
    const rig = await away({});
    fail(rig.api, 3);
    await rig.pass(1000);
    rig.api.tryAcquire()?.settle("FAILURE");
    expect(rig.api.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
    await rig.pass(1000);
    const hung = rig.api.tryAcquire();
    await rig.pass(500);
    expect(rig.api.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
    hung?.settle("SUCCESS");
    expect(rig.api.status().state).toBe("OPEN");
  });

  it("gives the slot of a released or ignored probe to the next call", async () => {
    const rig = await away({});
    fail(rig.api, 3);
    await rig.pass(1000);
    rig.api.tryAcquire()?.release();
    rig.api.tryAcquire()?.settle("IGNORED");
    expect(rig.api.status().state).toBe("HALF_OPEN");
    expect(rig.api.tryAcquire()).not.toBeNull();
  });

  it("continues from the last state of the service: an open breaker becomes half-open in time", async () => {
    const rig = await withBreaker();
    await rig.service.update("api", { timeoutMs: 60_000 });
    await openInService(rig);
    rig.link.down();
    await rig.pass(STALE_MS);
    expect(rig.api.status()).toMatchObject({ state: "OPEN", source: "LOCAL", retryAfterMs: 29_000 });
    await rig.pass(29_000);
    expect(rig.api.status().state).toBe("HALF_OPEN");
    expect(rig.api.tryAcquire()).not.toBeNull();
  });

  it("runs calls with their fallbacks as usual", async () => {
    const rig = await away({});
    fail(rig.api, 3);
    expect(await rig.api.call(() => 1, { fallback: () => -1 })).toBe(-1);
    await rig.pass(1000);
    expect(await rig.api.call(() => 1)).toBe(1);
    expect(rig.api.status().state).toBe("CLOSED");
  });

  it("is the default, applies before the first connection, and uses the default configuration where none is given", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("one", (one) => one.down());
    const api = breakers.breaker("api", { timeoutMs: 2000 });
    fail(api, 4);
    expect(api.status().state).toBe("CLOSED");
    fail(api, 1);
    expect(api.status()).toMatchObject({ state: "OPEN", retryAfterMs: 2000 });
    link.up();
    await rig.pass(1000);
    expect(rig.service.get("api").config).toMatchObject({ timeoutMs: 2000, failureThreshold: 5 });
    // The outcomes that the client saw alone have no vote on the shared state.
    expect(api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE", unreported: 0 });
    expect(rig.service.get("api").counts).toMatchObject({ failures: 0, lateFailures: 5 });
  });

  it("hands over to the service when it is back, and outcomes from the time between have no vote", async () => {
    const rig = await away({});
    fail(rig.api, 3);
    expect(rig.api.status()).toMatchObject({ state: "OPEN", unreported: 3 });
    rig.link.up();
    await rig.pass(10_000);
    expect(rig.api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE", connected: true, unreported: 0 });
    expect(rig.service.get("api")).toMatchObject({ epoch: 1, counts: { failures: 0, lateFailures: 3 } });
  });

  it("takes the open state of the service when it is back, whatever the client had decided alone", async () => {
    const rig = await withBreaker();
    await rig.service.update("api", { timeoutMs: 600_000 });
    await rig.quiet();
    rig.link.down();
    await rig.pass(STALE_MS);
    await openInService(rig);
    expect(rig.api.status().state).toBe("CLOSED");
    rig.link.up();
    await rig.pass(10_000);
    expect(rig.api.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
    expect(rig.api.status().retryAfterMs).toBe(rig.service.get("api").retryAfterMs);
  });

  it("gives no vote to outcomes that could not be reported before the service was gone", async () => {
    const rig = await withBreaker();
    rig.link.down();
    rig.api.tryAcquire()?.settle("SUCCESS");
    // The success is on its way. This waits until it has arrived.
    await rig.pass(100);
    fail(rig.api, 2);
    await rig.pass(STALE_MS);
    rig.link.up();
    await rig.pass(10_000);
    const { counts } = rig.service.get("api");
    expect(counts).toMatchObject({ successes: 1, failures: 0, lateFailures: 2, consecutiveFailures: 0 });
  });

  it("gives no vote to a call that began before the service was gone and ended after", async () => {
    const rig = await withBreaker();
    const permits = Array.from({ length: 3 }, () => rig.api.tryAcquire());
    rig.link.down();
    await rig.pass(STALE_MS);
    for (const permit of permits) permit?.settle("FAILURE");
    expect(rig.api.status().state).toBe("OPEN");
    rig.link.up();
    await rig.pass(10_000);
    expect(rig.service.get("api")).toMatchObject({ state: "CLOSED", counts: { lateFailures: 3 } });
  });
});

describe("HOLD_LAST", () => {
  const options = { onDisconnect: "HOLD_LAST" } as const;

  it("lets calls pass however many fail, if the breaker was closed", async () => {
    const rig = await away(options);
    fail(rig.api, 100);
    expect(rig.api.status()).toMatchObject({ state: "CLOSED", retryAfterMs: undefined });
    expect(rig.api.tryAcquire()).not.toBeNull();
  });

  it("rejects calls for any length of time, if the breaker was open", async () => {
    const rig = await withBreaker(options);
    await rig.service.update("api", { timeoutMs: 60_000 });
    await openInService(rig);
    rig.link.down();
    await rig.pass(200_000);
    expect(rig.api.status()).toMatchObject({ state: "OPEN", source: "LOCAL", retryAfterMs: undefined });
    expect(rig.api.tryAcquire()).toBeNull();
    expect(await rig.api.acquire()).toBeNull();
  });

  it("rejects calls if the breaker was half-open, because no one gives out probes", async () => {
    const rig = await withBreaker(options);
    await openInService(rig);
    await rig.pass(1000);
    rig.link.down();
    await rig.pass(STALE_MS);
    expect(rig.api.status()).toMatchObject({ state: "HALF_OPEN", source: "LOCAL" });
    expect(await rig.api.acquire()).toBeNull();
  });

  it("drops a trip of the client itself that the service has not confirmed", async () => {
    const rig = await withBreaker(options);
    rig.link.down();
    fail(rig.api, 3);
    expect(rig.api.status()).toMatchObject({ state: "OPEN", connected: true });
    await rig.pass(STALE_MS);
    expect(rig.api.status()).toMatchObject({ state: "CLOSED", connected: false });
  });

  it("lets calls pass before the first connection", async () => {
    const { breakers } = (await serviceRig()).connect("one", (link) => link.down());
    const api = breakers.breaker("api", FAST, options);
    fail(api, 100);
    expect(api.tryAcquire()).not.toBeNull();
  });
});

describe.each([
  ["ALLOW", "CLOSED"],
  ["REJECT", "OPEN"],
] as const)("%s", (onDisconnect, state) => {
  const passes = onDisconnect === "ALLOW";

  it.each([
    ["closed", async () => {}],
    ["open", openInService],
  ] as const)("decides for all calls, whatever the last state of the service was (%s)", async (_, before) => {
    const rig = await away({ onDisconnect }, before);
    fail(rig.api, 100);
    expect(rig.api.status()).toMatchObject({ state, source: "LOCAL", retryAfterMs: undefined });
    expect(rig.api.tryAcquire() !== null).toBe(passes);
    const ran = vi.fn(() => 1);
    await rig.api.call(ran).catch(() => {});
    expect(ran).toHaveBeenCalledTimes(passes ? 1 : 0);
  });

  it("decides before the first connection, and not any more after it", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("one", (one) => one.down());
    const api = breakers.breaker("api", FAST, { onDisconnect });
    fail(api, 100);
    expect(api.tryAcquire() !== null).toBe(passes);
    link.up();
    await rig.pass(1000);
    expect(api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("yields to the last override of an operator", async () => {
    const rig = await away({ onDisconnect }, force(passes ? "FORCED_OPEN" : "DISABLED"));
    expect(rig.api.tryAcquire() !== null).toBe(!passes);
    expect(rig.api.status().override).toBe(passes ? "FORCED_OPEN" : "DISABLED");
  });
});

describe("a service that stops answering", () => {
  it("leaves no call hanging: a request for a probe that gets no answer ends without a permit", async () => {
    const rig = await withBreaker();
    await openInService(rig);
    await rig.pass(1000);
    rig.link.holdAnswers("AcquirePermit");
    let permit: unknown = "none yet";
    void rig.api.acquire().then((answer) => {
      permit = answer;
    });
    await rig.pass(4950);
    expect(permit).toBe("none yet");
    await rig.pass(50);
    expect(permit).toBeNull();
  });
});
