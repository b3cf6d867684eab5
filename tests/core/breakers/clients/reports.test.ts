import { describe, expect, it } from "vitest";
import { ReportLog } from "../../../../src/core/report-log.ts";
import type { Outcome } from "../../../../src/kernel/breakers/machine.ts";
import { acquired, fail, type Rig, rig } from "../rig.ts";

const FAST = { failureThreshold: 3, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };

async function withBreaker(): Promise<Rig> {
  const setup = await rig();
  await setup.breakers.getOrCreate("api", FAST);
  return setup;
}

const runs = (...all: readonly (readonly [Outcome, number])[]) => all.map(([outcome, count]) => ({ outcome, count }));

describe("a report", () => {
  it("has its outcomes counted in their order", async () => {
    const { breakers } = await withBreaker();
    breakers.report("client", 1, [{ name: "api", epoch: 1, runs: runs(["FAILURE", 2], ["SUCCESS", 1]) }]);
    expect(breakers.get("api")).toMatchObject({
      state: "CLOSED",
      counts: { failures: 2, successes: 1, consecutiveFailures: 0 },
    });
    breakers.report("client", 2, [{ name: "api", epoch: 1, runs: runs(["SUCCESS", 1], ["FAILURE", 3]) }]);
    expect(breakers.get("api")).toMatchObject({ state: "OPEN", counts: { failures: 5, successes: 2 } });
  });

  it("is counted once if it arrives twice", async () => {
    const { breakers } = await withBreaker();
    const failures = [{ name: "api", epoch: 1, runs: runs(["FAILURE", 2]) }];
    expect(breakers.report("client", 1, failures).duplicate).toBe(false);
    expect(breakers.report("client", 1, failures)).toEqual({ duplicate: true, unknownNames: [], isolated: [] });
    expect(breakers.get("api")).toMatchObject({ state: "CLOSED", counts: { failures: 2 } });
    expect(breakers.report("another", 1, failures).duplicate).toBe(false);
    expect(breakers.get("api").state).toBe("OPEN");
  });

  it("is identified by its client, reporterId and number, or by its client and number if it has no reporterId", async () => {
    const { breakers } = await withBreaker();
    const success = [{ name: "api", epoch: 1, runs: runs(["SUCCESS", 1]) }];
    for (let life = 0; life < 54; life += 1)
      for (let seq = 1; seq <= 3; seq += 1)
        for (const again of [false, true])
          expect(breakers.report("client", seq, success, `life-${life}`).duplicate).toBe(again);
    expect(breakers.report("client", 1, success).duplicate).toBe(false);
    expect(breakers.report("client", 1, success, "").duplicate).toBe(true);
    // Names with the same concatenation are different pairs.
    expect(breakers.report("clientlife-", 1, success, "0").duplicate).toBe(false);
    expect(breakers.get("api").counts.successes).toBe(54 * 3 + 2);
  });

  it("names breakers that do not exist, and is counted for all others", async () => {
    const { breakers } = await withBreaker();
    const failure = { epoch: 1, runs: runs(["FAILURE", 1]) };
    const { unknownNames } = breakers.report("client", 1, [
      { name: "nope", ...failure },
      { name: "api", ...failure },
      { name: "nope", ...failure },
      { name: "neither", ...failure },
    ]);
    expect(unknownNames).toEqual(["nope", "neither"]);
    expect(breakers.get("api").counts.failures).toBe(1);
  });

  it("a report of another epoch counts as late", async () => {
    const setup = await withBreaker();
    const { breakers } = setup;
    fail(setup, "api", 3);
    await breakers.reset("api");
    breakers.report("client", 1, [{ name: "api", epoch: 1, runs: runs(["FAILURE", 7], ["SUCCESS", 2]) }]);
    expect(breakers.get("api")).toMatchObject({
      state: "CLOSED",
      counts: { failures: 0, lateFailures: 7, lateSuccesses: 2 },
    });
  });

  it("a report of a probe needs its lease", async () => {
    const setup = await withBreaker();
    const { breakers, clock } = setup;
    fail(setup, "api", 3);
    clock.advance(1000);
    const { epoch, leaseId } = acquired(breakers.acquire("api", "client"));
    breakers.report("another", 1, [{ name: "api", epoch, runs: runs(["SUCCESS", 1]) }]);
    expect(breakers.get("api").state).toBe("HALF_OPEN");
    breakers.report("client", 1, [{ name: "api", epoch, leaseId, runs: runs(["SUCCESS", 1]) }]);
    expect(breakers.get("api").state).toBe("CLOSED");
  });

  it("a report of a million million outcomes is counted as quickly as a small one", async () => {
    const { breakers } = await withBreaker();
    const many = Array.from({ length: 1000 }, () => ["SUCCESS", 1e9] as const);
    breakers.report("client", 1, [{ name: "api", epoch: 1, runs: runs(...many, ["FAILURE", 1e9]) }]);
    expect(breakers.get("api")).toMatchObject({
      state: "OPEN",
      counts: { successes: 1e12, failures: 3, lateFailures: 1e9 - 3 },
    });
  });

  it.each([
    ["client_id", "", 1, {}],
    ["seq", "client", 0, {}],
    ["seq", "client", -1, {}],
    ["seq", "client", Number.NaN, {}],
    ["seq", "client", 1.5, {}],
    ["seq", "client", 2 ** 53, {}],
    ["seq", "client", 0n, {}],
    ["reports[1].epoch", "client", 1, { epoch: Number.NaN }],
    ["reports[1].runs[0].outcome", "client", 1, { runs: runs(["failure" as Outcome, 1]) }],
    ["reports[1].runs[0].count", "client", 1, { runs: runs(["FAILURE", 0]) }],
    ["reports[1].runs[0].count", "client", 1, { runs: runs(["FAILURE", Number.POSITIVE_INFINITY]) }],
    ["reports[1].runs[0].count", "client", 1, { runs: runs(["FAILURE", -1]) }],
    ["reports[1].runs", "client", 1, { leaseId: "lease", runs: runs(["FAILURE", 2]) }],
  ])("is refused as a whole for a wrong %s", async (field, clientId, seq, wrong) => {
    const { breakers } = await withBreaker();
    const right = { name: "api", epoch: 1, runs: runs(["FAILURE", 1]) };
    expect(() => breakers.report(clientId, seq, [right, { ...right, ...wrong }])).toThrow(
      expect.objectContaining({ reason: "ARGUMENT_INVALID", metadata: expect.objectContaining({ field }) }),
    );
    expect(breakers.get("api").counts.failures).toBe(0);
    expect(breakers.report("client", 1, [right]).duplicate).toBe(false);
  });
});

describe("a permit for a probe", () => {
  it("is given to one of two clients that ask at once", async () => {
    const setup = await withBreaker();
    fail(setup, "api", 3);
    setup.clock.advance(1000);
    const permits = ["one", "two"].map((client) => setup.breakers.acquire("api", client));
    expect(permits.map(({ allowed }) => allowed)).toEqual([true, false]);
    expect(setup.breakers.get("api")).toMatchObject({ state: "HALF_OPEN", probes: 1 });
  });

  it("has a new id every time", async () => {
    const setup = await withBreaker();
    fail(setup, "api", 3);
    setup.clock.advance(1000);
    const ids = new Set<string | undefined>();
    for (let probe = 0; probe < 20; probe += 1) {
      const permit = acquired(setup.breakers.acquire("api"));
      ids.add(permit.leaseId);
      setup.breakers.acquire("api");
      setup.breakers.release("api", permit);
    }
    expect(ids.size).toBe(20);
    expect(ids.has(undefined)).toBe(false);
  });
});

describe("the log of reports", () => {
  it("recognises each report, in whatever order they arrive", () => {
    const log = new ReportLog();
    const order = [3, 1, 2, 7, 5, 4, 6];
    for (const seq of order) expect(log.isNew("client", seq)).toBe(true);
    for (const seq of order) expect(log.isNew("client", seq)).toBe(false);
  });

  it("accepts numbers that begin anywhere and have any gaps", () => {
    const log = new ReportLog();
    for (let seq = 1_000_000; seq < 1_002_000; seq += 2) {
      expect(log.isNew("client", seq)).toBe(true);
      expect(log.isNew("client", seq)).toBe(false);
    }
  });

  it("distinguishes numbers beyond 2^53, such as a time in nanoseconds, up to the largest of 64 bits", () => {
    const log = new ReportLog();
    const largest = 2n ** 63n - 1n;
    for (let seq = largest - 600n; seq <= largest; seq += 1n) {
      // A double cannot distinguish 1,024 neighbours of this size.
      expect(log.isNew("client", seq)).toBe(true);
      expect(log.isNew("client", seq)).toBe(false);
    }
    expect(log.isNew("client", largest - 601n)).toBe(false);
    // A number means the same as a bigint.
    expect(log.isNew("another", 7)).toBe(true);
    expect(log.isNew("another", 7n)).toBe(false);
  });

  it("accepts reports that are hundreds of numbers out of order, and treats older ones as duplicates", () => {
    const log = new ReportLog();
    for (let seq = 2; seq <= 250; seq += 1) expect(log.isNew("client", seq)).toBe(true);
    expect(log.isNew("client", 1)).toBe(true);
    for (let seq = 1000; seq < 2000; seq += 1) log.isNew("client", seq);
    expect(log.isNew("client", 900)).toBe(false);
  });

  it("forgets the clients that have not reported for longest", () => {
    const log = new ReportLog();
    log.isNew("first", 1);
    log.isNew("second", 1);
    for (let client = 0; client < 4095; client += 1) {
      log.isNew(`client-${client}`, 1);
      if (client % 1000 === 0) log.isNew("first", 2);
    }
    expect(log.isNew("first", 1)).toBe(false);
    expect(log.isNew("second", 1)).toBe(true);
  });
});
