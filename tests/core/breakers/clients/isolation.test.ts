import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BreakerConfigFields } from "../../../../src/kernel/breakers/config.ts";
import type { Outcome } from "../../../../src/kernel/breakers/machine.ts";
import { type Rig, rig } from "../rig.ts";

const CLIENTS = Array.from({ length: 100 }, (_, index) => `client-${index}`);
const RATE: BreakerConfigFields = { failureRate: 0.5, minimumCalls: 10, failureThreshold: 1_000_000 };
const ROW: BreakerConfigFields = { failureThreshold: 5 };

async function withBreaker(config: BreakerConfigFields): Promise<Rig> {
  const setup = await rig();
  await setup.breakers.getOrCreate("api", { timeoutMs: 1000, successThreshold: 1, minReporters: 3, ...config });
  return setup;
}

function reporter({ breakers }: Rig) {
  const seqs = new Map<string, number>();
  return (clientId: string, outcome: Outcome, count = 1, leaseId?: string) => {
    const seq = (seqs.get(clientId) ?? 0) + 1;
    seqs.set(clientId, seq);
    const { epoch } = breakers.get("api");
    return breakers.report(clientId, seq, [{ name: "api", epoch, leaseId, runs: [{ outcome, count }] }]);
  };
}

const isolated = ({ breakers }: Rig) => breakers.get("api").isolatedClients.map(({ clientId }) => clientId);

describe("one failing client of a hundred", () => {
  it.each([
    ["by failures in a row", ROW],
    ["by rate, in a window of calls", RATE],
    ["by rate, in a window of time", { ...RATE, windowMs: 10_000 }],
  ])(
    "does not open the breaker for the others %s, however its reports are interleaved with theirs",
    async (_, config) => {
      const turns = fc.array(fc.tuple(fc.boolean(), fc.nat(99), fc.integer({ min: 1, max: 20 })), { maxLength: 60 });
      await fc.assert(
        fc.asyncProperty(turns, async (all) => {
          const setup = await withBreaker(config);
          const report = reporter(setup);
          for (const [isBad, which, count] of all) {
            if (isBad) report("client-0", "FAILURE", count);
            else report(CLIENTS[which] ?? "", which === 0 ? "FAILURE" : "SUCCESS", count);
            setup.clock.advance(10);
            expect(setup.breakers.get("api").state).toBe("CLOSED");
            expect(isolated(setup).every((clientId) => clientId === "client-0")).toBe(true);
          }
          for (const clientId of CLIENTS.slice(1)) {
            expect(setup.breakers.acquire("api", clientId).allowed).toBe(true);
          }
        }),
        { numRuns: 60 },
      );
    },
  );
});

describe("the failures that clients reported", () => {
  it("do not open the breaker if most of them came from a client that is now isolated", async () => {
    const setup = await withBreaker(RATE);
    const report = reporter(setup);
    report("bad", "FAILURE", 50);
    expect(isolated(setup)).toEqual(["bad"]);
    for (const clientId of ["a", "b"]) {
      report(clientId, "SUCCESS", 6);
      report(clientId, "FAILURE", 1);
    }
    expect(setup.breakers.get("api").state).toBe("CLOSED");
  });

  it.each([
    ["of calls", { windowCalls: 20 }],
    ["of time", { windowMs: 10_000 }],
  ])("do not open the breaker once they have left the window %s", async (_, window) => {
    const setup = await withBreaker({ ...RATE, ...window, failureRate: 0.1 });
    const report = reporter(setup);
    const early = (clientId: string): void => {
      report(clientId, "SUCCESS", 15);
      report(clientId, "FAILURE", 1);
    };
    for (const clientId of ["a", "b"]) early(clientId);
    setup.clock.advance(10_001);
    report("c", "SUCCESS", 20);
    // The rate is reached again, but only two clients have seen it.
    report("d", "FAILURE", 1);
    report("c", "FAILURE", 1);
    expect(setup.breakers.get("api")).toMatchObject({ state: "CLOSED", counts: { window: { failures: 2 } } });
    report("e", "FAILURE", 1);
    expect(setup.breakers.get("api").state).toBe("OPEN");
  });
});

describe("a dependency that is down for all clients", () => {
  it.each([
    ["by failures in a row", ROW],
    ["by rate", RATE],
  ])("opens the breaker for all %s, also if each client reports a batch at a time", async (_, config) => {
    for (const size of [1, 5, 50]) {
      const setup = await withBreaker(config);
      const report = reporter(setup);
      for (let turn = 0; turn < 20; turn += 1) {
        for (const clientId of CLIENTS.slice(0, 5)) report(clientId, "FAILURE", size);
      }
      expect(setup.breakers.get("api"), `batches of ${size}`).toMatchObject({ state: "OPEN", isolatedClients: [] });
      expect(setup.breakers.acquire("api", "client-99")).toMatchObject({ allowed: false });
    }
  });
});

describe("an isolated client", () => {
  async function alone() {
    const setup = await withBreaker(ROW);
    const report = reporter(setup);
    const { isolated: received } = report("bad", "FAILURE", 5);
    expect(received).toEqual([{ name: "api", state: "OPEN", retryAfterMs: 1000 }]);
    return { ...setup, setup, report };
  }

  it("passes again after its own probes succeed", async () => {
    const { setup, breakers, clock, report } = await alone();
    clock.advance(999);
    expect(breakers.acquire("api", "bad")).toEqual({
      allowed: false,
      epoch: 1,
      state: "OPEN",
      retryAfterMs: 1,
      isolated: true,
    });
    clock.advance(1);
    const permit = breakers.acquire("api", "bad");
    if (!permit.allowed) throw new Error("no probe");
    expect(breakers.acquire("api", "bad").allowed).toBe(false);
    expect(breakers.acquire("api", "good").allowed).toBe(true);
    report("bad", "SUCCESS", 1, permit.leaseId);
    expect(isolated(setup)).toEqual([]);
    expect(breakers.acquire("api", "bad")).toEqual({ allowed: true, epoch: 1 });
  });

  it("is isolated again if it fails again, and its reports without a probe count as late", async () => {
    const { setup, breakers, clock, report } = await alone();
    report("bad", "SUCCESS", 7);
    expect(breakers.get("api").counts).toMatchObject({ successes: 0, lateSuccesses: 7 });
    clock.advance(1000);
    const permit = breakers.acquire("api", "bad");
    if (!permit.allowed) throw new Error("no probe");
    expect(report("bad", "FAILURE", 1, permit.leaseId).isolated).toMatchObject([{ state: "OPEN", retryAfterMs: 1000 }]);
    expect(isolated(setup)).toEqual(["bad"]);
  });

  it("is forgotten when it disconnects, when the breaker is reset, and when min_reporters is 1", async () => {
    const who = { watchId: "w", clientId: "bad", peer: "" };
    const watcher = { options: { who } } as unknown as Parameters<Rig["breakers"]["presence"]["opened"]>[0];
    const gone = await alone();
    gone.breakers.presence.opened(watcher);
    gone.breakers.presence.closed(watcher);
    expect(isolated(gone.setup)).toEqual([]);
    const reset = await alone();
    await reset.breakers.reset("api");
    expect(isolated(reset.setup)).toEqual([]);
    const updated = await alone();
    await updated.breakers.update("api", { minReporters: 1 });
    expect(isolated(updated.setup)).toEqual([]);
  });

  it("is forgotten after an hour without a report", async () => {
    const { setup, clock } = await alone();
    clock.advance(3_599_999);
    expect(isolated(setup)).toEqual(["bad"]);
    clock.advance(2);
    expect(isolated(setup)).toEqual([]);
  });

  it("passes if an operator forces the breaker closed", async () => {
    const { breakers } = await alone();
    await breakers.override("api", { kind: "FORCED_CLOSED" });
    expect(breakers.acquire("api", "bad").allowed).toBe(true);
  });

  it("is dropped, longest silent first, when too many clients are known", async () => {
    const { setup, report } = await alone();
    for (let index = 0; index < 4095; index += 1) report(`client-${index}`, "SUCCESS");
    expect(isolated(setup)).toEqual(["bad"]);
    report("one more", "SUCCESS");
    expect(isolated(setup)).toEqual([]);
  });

  it("costs bounded memory, together with ten thousand other clients", async () => {
    const setup = await withBreaker(ROW);
    const report = reporter(setup);
    for (let index = 0; index < 10_000; index += 1) {
      report(`client-${index}`, "FAILURE", 4);
      report(`client-${index}`, "SUCCESS", 1);
    }
    report("client-9999", "FAILURE", 5);
    expect(isolated(setup)).toEqual(["client-9999"]);
    expect(setup.breakers.get("api").state).toBe("CLOSED");
  });
});

describe("calls in the process of the service", () => {
  it("open the breaker without other reporters", async () => {
    const { breakers } = await withBreaker(ROW);
    for (let call = 0; call < 5; call += 1) breakers.record("api", breakers.acquire("api"), "FAILURE");
    expect(breakers.get("api").state).toBe("OPEN");
  });
});
