import { describe, expect, it, vi } from "vitest";
import { MOST_CREATIONS } from "../../../clients/typescript/src/breaker/creations.ts";
import type { BreakerOptions, ClientBreaker } from "../../../clients/typescript/src/index.ts";
import { type House, house, type Peer } from "./rig.ts";

const FAST = { failureThreshold: 3, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };
const STALE_MS = 31_000;

type Away = House & Peer & { readonly api: ClientBreaker };

const fail = (breaker: ClientBreaker, times: number): void => {
  for (let call = 0; call < times; call += 1) breaker.tryAcquire()?.settle("FAILURE");
};

async function withBreaker(options: BreakerOptions = {}): Promise<Away> {
  const home = await house();
  const peer = home.connect("one");
  const api = peer.breakers.breaker("api", FAST, options);
  await home.quiet();
  return { ...home, ...peer, api };
}

/** A client that knows that the service is gone. */
async function away(options: BreakerOptions, before: (home: Away) => Promise<void> = async () => {}): Promise<Away> {
  const home = await withBreaker(options);
  await before(home);
  home.link.down();
  await home.pass(STALE_MS);
  expect(home.api.status()).toMatchObject({ connected: false, source: "LOCAL" });
  return home;
}

const openIt = async ({ service, quiet }: House): Promise<void> => {
  for (let call = 0; call < 3; call += 1) service.record("api", service.acquire("api"), "FAILURE");
  await quiet();
};

const force =
  (kind: "FORCED_OPEN" | "DISABLED") =>
  async ({ service, quiet }: House): Promise<void> => {
    await service.override("api", { kind });
    await quiet();
  };

describe("the connection status of a client", () => {
  it("becomes disconnected after maxStalenessMs without a message, not when the connection breaks", async () => {
    const home = await withBreaker({ maxStalenessMs: 5000 });
    home.link.down();
    await home.pass(4950);
    expect(home.api.status()).toMatchObject({ connected: true, source: "SERVICE", staleMs: 4950 });
    await home.pass(50);
    expect(home.api.status()).toMatchObject({ connected: false, source: "LOCAL", staleMs: 5000 });
  });

  it("stays connected while the service is quiet, because the client requests frequent enough heartbeats", async () => {
    const home = await withBreaker({ maxStalenessMs: 3000 });
    for (let second = 0; second < 20; second += 1) {
      await home.pass(1000);
      expect(home.api.status()).toMatchObject({ connected: true });
      expect(home.api.status().staleMs).toBeLessThanOrEqual(1000);
    }
  });

  it("is disconnected until the client has received the state of the breaker", async () => {
    const home = await house();
    const { breakers } = home.connect("one", (link) => link.down());
    const api = breakers.breaker("api", FAST);
    expect(api.status()).toMatchObject({ connected: false, source: "LOCAL", state: "CLOSED", staleMs: undefined });
    await home.pass(1000);
    expect(api.status()).toMatchObject({ connected: false, staleMs: undefined });
  });

  it.each([0, 999, Number.NaN])("refuses a maxStalenessMs of %s", async (maxStalenessMs) => {
    const { breakers } = (await house()).connect("one");
    expect(() => breakers.breaker("api", {}, { maxStalenessMs })).toThrow("maxStalenessMs");
  });

  it("refuses an unknown onDisconnect policy", async () => {
    const { breakers } = (await house()).connect("one");
    expect(() => breakers.breaker("api", {}, { onDisconnect: "HOPE" as "ALLOW" })).toThrow("onDisconnect");
  });
});

describe("an open breaker whose client has lost its connection", () => {
  it("continues alone at once: its timeout runs, and it gives out its own probes", async () => {
    const home = await withBreaker();
    await openIt(home);
    await home.pass(200);
    home.link.down();
    await home.quiet();
    expect(home.api.status()).toMatchObject({ state: "OPEN", source: "LOCAL", connected: false, retryAfterMs: 800 });
    await home.pass(750);
    expect(home.api.tryAcquire()).toBeNull();
    await home.pass(50);
    home.api.tryAcquire()?.settle("SUCCESS");
    expect(home.api.status()).toMatchObject({ state: "CLOSED", source: "LOCAL" });
  });

  it("continues alone also if it trips after the loss, or was half-open before it", async () => {
    for (const isHalfOpen of [false, true]) {
      const home = await withBreaker();
      if (isHalfOpen) await openIt(home);
      if (isHalfOpen) await home.pass(1000);
      home.link.down();
      await home.quiet();
      if (!isHalfOpen) {
        expect(home.api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE", connected: true });
        fail(home.api, 3);
        expect(home.api.status()).toMatchObject({ state: "OPEN", source: "LOCAL", connected: false });
        await home.pass(1000);
      }
      const probe = home.api.tryAcquire();
      expect(probe).not.toBeNull();
      expect(home.api.tryAcquire()).toBeNull();
      probe?.settle("SUCCESS");
      expect(home.api.status()).toMatchObject({ state: "CLOSED" });
    }
  });

  it("takes the state of the service again as soon as the service is back", async () => {
    const home = await withBreaker();
    await openIt(home);
    home.link.down();
    await home.pass(1000);
    home.api.tryAcquire()?.settle("SUCCESS");
    expect(home.api.status()).toMatchObject({ state: "CLOSED", source: "LOCAL" });
    home.link.up();
    await home.pass(1000);
    expect(home.api.status()).toMatchObject({ state: "HALF_OPEN", source: "SERVICE", connected: true });
  });

  it.each(["HOLD_LAST", "ALLOW", "REJECT"] as const)(
    "keeps the last state of the service until that is stale, under the policy %s",
    async (onDisconnect) => {
      const home = await withBreaker({ onDisconnect });
      await openIt(home);
      home.link.down();
      await home.pass(500);
      expect(home.api.status()).toMatchObject({ state: "OPEN", connected: true });
    },
  );
});

describe("many breakers of one client", () => {
  it("are created a few at a time, and not at all if the watch already shows them", async () => {
    const home = await house();
    const names = Array.from({ length: 200 }, (_, index) => `b${index}`);
    for (const name of names) await home.service.getOrCreate(name);
    const { breakers, link } = home.connect("one");
    const release = link.holdCalls("GetOrCreateBreaker");
    const all = names.map((name) => breakers.breaker(name));
    await home.quiet();
    expect(all.every((breaker) => breaker.status().source === "SERVICE")).toBe(true);
    expect(link.calls.get("WatchBreakers")).toBe(1);
    expect(link.calls.get("GetOrCreateBreaker")).toBe(MOST_CREATIONS);
    release();
    await home.quiet();
    expect(link.calls.get("GetOrCreateBreaker")).toBe(MOST_CREATIONS);
  });

  it("are all created, a few at a time, if the service has none of them", async () => {
    const home = await house();
    const { breakers, link } = home.connect("one");
    const names = Array.from({ length: 100 }, (_, index) => `b${index}`);
    const all = names.map((name) => breakers.breaker(name));
    await home.pass(100);
    expect(all.every((breaker) => breaker.status().source === "SERVICE")).toBe(true);
    // Breakers that were requested before the stream began are missing in its snapshot.
    expect(link.calls.get("GetOrCreateBreaker")).toBeLessThanOrEqual(names.length + MOST_CREATIONS);
  });

  it("share few streams while they are added one by one, and one stream afterwards", async () => {
    const home = await house();
    const { breakers, link } = home.connect("one");
    const all: ClientBreaker[] = [];
    for (let index = 0; index < 1100; index += 1) {
      all.push(breakers.breaker(`b${index}`));
      if (index % 100 === 0) await home.pass(50);
    }
    await home.pass(200);
    const streams = link.calls.get("WatchBreakers") ?? 0;
    expect(streams).toBeLessThanOrEqual(8);
    expect(link.streams()).toBe(1);
    all.push(breakers.breaker("later"));
    await home.quiet();
    expect(link.calls.get("WatchBreakers")).toBe(streams);
    expect(all.filter((breaker) => breaker.status().source !== "SERVICE")).toEqual([]);
    await home.service.open("later");
    await home.quiet();
    expect(all.at(-1)?.status().state).toBe("OPEN");
  });
});

describe("LOCAL", () => {
  it("trips, waits, probes and closes without the service", async () => {
    const home = await away({});
    fail(home.api, 2);
    expect(home.api.status().state).toBe("CLOSED");
    fail(home.api, 1);
    expect(home.api.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
    await home.pass(999);
    expect(home.api.tryAcquire()).toBeNull();
    await home.pass(1);
    expect(home.api.status().state).toBe("HALF_OPEN");
    const probe = home.api.tryAcquire();
    expect(probe).not.toBeNull();
    expect(home.api.tryAcquire()).toBeNull();
    expect(await home.api.acquire()).toBeNull();
    probe?.settle("SUCCESS");
    expect(home.api.status().state).toBe("CLOSED");
    expect(home.link.calls.get("AcquirePermit")).toBeUndefined();
  });

  it("opens again after a probe that fails, and after one that never reports", async () => {
    const home = await away({});
    fail(home.api, 3);
    await home.pass(1000);
    home.api.tryAcquire()?.settle("FAILURE");
    expect(home.api.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
    await home.pass(1000);
    const hung = home.api.tryAcquire();
    await home.pass(500);
    expect(home.api.status()).toMatchObject({ state: "OPEN", retryAfterMs: 1000 });
    hung?.settle("SUCCESS");
    expect(home.api.status().state).toBe("OPEN");
  });

  it("gives the slot of a released or ignored probe to the next call", async () => {
    const home = await away({});
    fail(home.api, 3);
    await home.pass(1000);
    home.api.tryAcquire()?.release();
    home.api.tryAcquire()?.settle("IGNORED");
    expect(home.api.status().state).toBe("HALF_OPEN");
    expect(home.api.tryAcquire()).not.toBeNull();
  });

  it("continues from the last state of the service: an open breaker becomes half-open in time", async () => {
    const home = await withBreaker();
    await home.service.update("api", { timeoutMs: 60_000 });
    await openIt(home);
    home.link.down();
    await home.pass(STALE_MS);
    expect(home.api.status()).toMatchObject({ state: "OPEN", source: "LOCAL", retryAfterMs: 29_000 });
    await home.pass(29_000);
    expect(home.api.status().state).toBe("HALF_OPEN");
    expect(home.api.tryAcquire()).not.toBeNull();
  });

  it("runs calls with their fallbacks as usual", async () => {
    const home = await away({});
    fail(home.api, 3);
    expect(await home.api.call(() => 1, { fallback: () => -1 })).toBe(-1);
    await home.pass(1000);
    expect(await home.api.call(() => 1)).toBe(1);
    expect(home.api.status().state).toBe("CLOSED");
  });

  it("is the default, applies before the first connection, and uses the default configuration where none is given", async () => {
    const home = await house();
    const { breakers, link } = home.connect("one", (one) => one.down());
    const api = breakers.breaker("api", { timeoutMs: 2000 });
    fail(api, 4);
    expect(api.status().state).toBe("CLOSED");
    fail(api, 1);
    expect(api.status()).toMatchObject({ state: "OPEN", retryAfterMs: 2000 });
    link.up();
    await home.pass(1000);
    expect(home.service.get("api").config).toMatchObject({ timeoutMs: 2000, failureThreshold: 5 });
    // The outcomes that the client saw alone have no vote on the shared state.
    expect(api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE", unreported: 0 });
    expect(home.service.get("api").counts).toMatchObject({ failures: 0, lateFailures: 5 });
  });

  it("hands over to the service when it is back, and outcomes from the time between have no vote", async () => {
    const home = await away({});
    fail(home.api, 3);
    expect(home.api.status()).toMatchObject({ state: "OPEN", unreported: 3 });
    home.link.up();
    await home.pass(10_000);
    expect(home.api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE", connected: true, unreported: 0 });
    expect(home.service.get("api")).toMatchObject({ epoch: 1, counts: { failures: 0, lateFailures: 3 } });
  });

  it("takes the open state of the service when it is back, whatever the client had decided alone", async () => {
    const home = await withBreaker();
    await home.service.update("api", { timeoutMs: 600_000 });
    await home.quiet();
    home.link.down();
    await home.pass(STALE_MS);
    await openIt(home);
    expect(home.api.status().state).toBe("CLOSED");
    home.link.up();
    await home.pass(10_000);
    expect(home.api.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
    expect(home.api.status().retryAfterMs).toBe(home.service.get("api").retryAfterMs);
  });

  it("gives no vote to outcomes that could not be reported before the service was gone", async () => {
    const home = await withBreaker();
    home.link.down();
    home.api.tryAcquire()?.settle("SUCCESS");
    // The success is on its way. This waits until it has arrived.
    await home.pass(100);
    fail(home.api, 2);
    await home.pass(STALE_MS);
    home.link.up();
    await home.pass(10_000);
    const { counts } = home.service.get("api");
    expect(counts).toMatchObject({ successes: 1, failures: 0, lateFailures: 2, consecutiveFailures: 0 });
  });

  it("gives no vote to a call that began before the service was gone and ended after", async () => {
    const home = await withBreaker();
    const permits = Array.from({ length: 3 }, () => home.api.tryAcquire());
    home.link.down();
    await home.pass(STALE_MS);
    for (const permit of permits) permit?.settle("FAILURE");
    expect(home.api.status().state).toBe("OPEN");
    home.link.up();
    await home.pass(10_000);
    expect(home.service.get("api")).toMatchObject({ state: "CLOSED", counts: { lateFailures: 3 } });
  });
});

describe("HOLD_LAST", () => {
  const options = { onDisconnect: "HOLD_LAST" } as const;

  it("lets calls pass however many fail, if the breaker was closed", async () => {
    const home = await away(options);
    fail(home.api, 100);
    expect(home.api.status()).toMatchObject({ state: "CLOSED", retryAfterMs: undefined });
    expect(home.api.tryAcquire()).not.toBeNull();
  });

  it("rejects calls for any length of time, if the breaker was open", async () => {
    const home = await withBreaker(options);
    await home.service.update("api", { timeoutMs: 60_000 });
    await openIt(home);
    home.link.down();
    await home.pass(200_000);
    expect(home.api.status()).toMatchObject({ state: "OPEN", source: "LOCAL", retryAfterMs: undefined });
    expect(home.api.tryAcquire()).toBeNull();
    expect(await home.api.acquire()).toBeNull();
  });

  it("rejects calls if the breaker was half-open, because no one gives out probes", async () => {
    const home = await withBreaker(options);
    await openIt(home);
    await home.pass(1000);
    home.link.down();
    await home.pass(STALE_MS);
    expect(home.api.status()).toMatchObject({ state: "HALF_OPEN", source: "LOCAL" });
    expect(await home.api.acquire()).toBeNull();
  });

  it("drops a trip of the client itself that the service has not confirmed", async () => {
    const home = await withBreaker(options);
    home.link.down();
    fail(home.api, 3);
    expect(home.api.status()).toMatchObject({ state: "OPEN", connected: true });
    await home.pass(STALE_MS);
    expect(home.api.status()).toMatchObject({ state: "CLOSED", connected: false });
  });

  it("lets calls pass before the first connection", async () => {
    const { breakers } = (await house()).connect("one", (link) => link.down());
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
    ["open", openIt],
  ] as const)("decides for all calls, whatever the last state of the service was (%s)", async (_, before) => {
    const home = await away({ onDisconnect }, before);
    fail(home.api, 100);
    expect(home.api.status()).toMatchObject({ state, source: "LOCAL", retryAfterMs: undefined });
    expect(home.api.tryAcquire() !== null).toBe(passes);
    const ran = vi.fn(() => 1);
    await home.api.call(ran).catch(() => {});
    expect(ran).toHaveBeenCalledTimes(passes ? 1 : 0);
  });

  it("decides before the first connection, and not any more after it", async () => {
    const home = await house();
    const { breakers, link } = home.connect("one", (one) => one.down());
    const api = breakers.breaker("api", FAST, { onDisconnect });
    fail(api, 100);
    expect(api.tryAcquire() !== null).toBe(passes);
    link.up();
    await home.pass(1000);
    expect(api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });

  it("yields to the last override of an operator", async () => {
    const home = await away({ onDisconnect }, force(passes ? "FORCED_OPEN" : "DISABLED"));
    expect(home.api.tryAcquire() !== null).toBe(!passes);
    expect(home.api.status().override).toBe(passes ? "FORCED_OPEN" : "DISABLED");
  });
});

describe("a service that stops answering", () => {
  it("leaves no call hanging: a request for a probe that gets no answer ends without a permit", async () => {
    const home = await withBreaker();
    await openIt(home);
    await home.pass(1000);
    home.link.holdAnswers("AcquirePermit");
    let permit: unknown = "none yet";
    void home.api.acquire().then((answer) => {
      permit = answer;
    });
    await home.pass(4950);
    expect(permit).toBe("none yet");
    await home.pass(50);
    expect(permit).toBeNull();
  });
});
