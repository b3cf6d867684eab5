import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BreakerConfig } from "../../../src/kernel/breakers/config.ts";
import { nextTick, type Permit } from "../../../src/kernel/breakers/machine.ts";
import { anyAct, anySettings, CONFIG, driven, take } from "./driven.ts";

describe("a closed breaker", () => {
  it("stays closed one failure below the threshold, and opens at the threshold", () => {
    const breaker = driven();
    breaker.fail(2);
    expect(breaker.state).toBe("CLOSED");
    breaker.fail(1);
    expect(breaker.state).toBe("OPEN");
  });

  it("resets the count at a success", () => {
    const breaker = driven();
    breaker.fail(2);
    breaker.report(breaker.acquire(), "SUCCESS");
    breaker.fail(2);
    expect(breaker.state).toBe("CLOSED");
  });

  it("counts an ignored outcome neither as success nor as failure", () => {
    const breaker = driven();
    breaker.fail(2);
    breaker.report(breaker.acquire(), "IGNORED");
    breaker.fail(1);
    expect(breaker.state).toBe("OPEN");
  });

  it("trips at the next failure if the threshold was lowered to the present count", () => {
    const breaker = driven();
    breaker.fail(2);
    breaker.configure({ failureThreshold: 1 });
    expect(breaker.report(breaker.acquire(), "FAILURE").late).toBe(0);
    expect(breaker.state).toBe("OPEN");
  });

  it("counts the rest of a run of failures as late after the failure that trips it", () => {
    const breaker = driven();
    expect(breaker.outcomes(1, "FAILURE", 1_000_000).late).toBe(999_997);
    expect(breaker.happened).toEqual(["Trip"]);
  });

  it("trips once, and keeps its timeout, when more failures of the same time arrive after the trip", () => {
    const breaker = driven();
    const permits = Array.from({ length: 6 }, () => breaker.acquire());
    for (const permit of permits.slice(0, 3)) breaker.report(permit, "FAILURE");
    const until = nextTick(breaker.machine);
    breaker.advance(10);
    for (const permit of permits.slice(3)) expect(breaker.report(permit, "FAILURE").late).toBe(1);
    expect(breaker.happened).toEqual(["Trip"]);
    expect(nextTick(breaker.machine)).toBe(until);
  });
});

describe("an open breaker", () => {
  it("rejects, and says when to retry", () => {
    const breaker = driven();
    breaker.fail(3);
    breaker.advance(400);
    expect(breaker.acquire()).toEqual({ allowed: false, epoch: 2, state: "OPEN", retryAfterMs: 600 });
  });

  it("is open just before its timeout, and lets a probe through just after", () => {
    const breaker = driven();
    breaker.fail(3);
    breaker.advance(999);
    expect(breaker.acquire().allowed).toBe(false);
    breaker.advance(1);
    expect(breaker.acquire()).toMatchObject({ allowed: true, leaseId: expect.any(String) });
  });

  it("does not close at a late success (opossum's does)", () => {
    const breaker = driven();
    const slow = breaker.acquire();
    breaker.fail(3);
    expect(breaker.report(slow, "SUCCESS").late).toBe(1);
    breaker.advance(1000);
    expect(breaker.report(slow, "SUCCESS").late).toBe(1);
    expect(breaker.state).toBe("HALF_OPEN");
  });
});

describe("a half-open breaker", () => {
  const halfOpen = (config: Partial<BreakerConfig> = {}) => {
    const breaker = driven(config);
    breaker.fail(3);
    breaker.advance(1000);
    return breaker;
  };

  it("rejects all others while a probe is under way", () => {
    const breaker = halfOpen();
    breaker.acquire();
    expect(breaker.acquire()).toMatchObject({ allowed: false, state: "HALF_OPEN" });
  });

  it("opens again for its whole timeout when a probe fails", () => {
    const breaker = halfOpen();
    breaker.report(breaker.acquire(), "FAILURE");
    expect(breaker.acquire()).toMatchObject({ allowed: false, retryAfterMs: 1000 });
    expect(breaker.happened).toEqual(["Trip", "HalfOpen", "Reopen"]);
  });

  it("stays half-open one success below the threshold, and closes at the threshold with counts of zero", () => {
    const breaker = halfOpen();
    breaker.report(breaker.acquire(), "SUCCESS");
    expect(breaker.state).toBe("HALF_OPEN");
    breaker.report(breaker.acquire(), "SUCCESS");
    expect(breaker.machine.automatic).toEqual({ state: "CLOSED", failures: 0 });
  });

  it("lets no more probes through than it needs to close", () => {
    const breaker = halfOpen({ probeConcurrency: 10, successThreshold: 2 });
    const [first, second, third] = [breaker.acquire(), breaker.acquire(), breaker.acquire()];
    expect([first, second, third].map(({ allowed }) => allowed)).toEqual([true, true, false]);
    breaker.report(first, "SUCCESS");
    breaker.report(second, "SUCCESS");
    expect(breaker.state).toBe("CLOSED");
  });

  it("gives the slot of an ignored probe to the next call, and keeps its state", () => {
    const breaker = halfOpen();
    breaker.report(breaker.acquire(), "IGNORED");
    expect(breaker.state).toBe("HALF_OPEN");
    expect(breaker.acquire().allowed).toBe(true);
  });

  it("gives the slot of a probe that never started to the next call, and keeps its state", () => {
    const breaker = halfOpen();
    const permit = breaker.acquire();
    if (!permit.allowed) throw new Error("not allowed");
    const { machine } = breaker.apply({ type: "release", epoch: permit.epoch, leaseId: permit.leaseId });
    expect(machine.automatic).toEqual({ state: "HALF_OPEN", successes: 0, failures: 0, reopenings: 0, leases: [] });
    expect(breaker.acquire().allowed).toBe(true);
    expect(breaker.report(permit, "SUCCESS").late).toBe(1);
  });

  it("opens again when one probe fails, whatever the others report later", () => {
    const breaker = halfOpen({ probeConcurrency: 2 });
    const [first, second] = [breaker.acquire(), breaker.acquire()];
    breaker.report(first, "FAILURE");
    expect(breaker.report(second, "SUCCESS").late).toBe(1);
    expect(breaker.state).toBe("OPEN");
  });

  it("says when the next slot is free at the latest", () => {
    const breaker = halfOpen({ probeConcurrency: 2 });
    breaker.acquire();
    breaker.advance(100);
    breaker.acquire();
    breaker.advance(100);
    expect(breaker.acquire()).toMatchObject({ allowed: false, retryAfterMs: 300 });
  });

  it("lets a probe through if the success threshold was lowered to the present count", () => {
    const breaker = halfOpen();
    breaker.report(breaker.acquire(), "SUCCESS");
    breaker.configure({ successThreshold: 1 });
    breaker.report(breaker.acquire(), "SUCCESS");
    expect(breaker.state).toBe("CLOSED");
  });

  it("counts every probe that never reports as a separate failure", () => {
    const breaker = halfOpen({ probeConcurrency: 2 });
    breaker.acquire();
    breaker.acquire();
    breaker.advance(499);
    expect(breaker.state).toBe("HALF_OPEN");
    expect(breaker.advance(1).expired).toBe(2);
    expect(breaker.state).toBe("OPEN");
  });

  it("counts a probe that never reports as a failure, and its late report as late", () => {
    const breaker = halfOpen();
    const lost = breaker.acquire();
    breaker.advance(500);
    expect(breaker.state).toBe("OPEN");
    expect(breaker.report(lost, "SUCCESS").late).toBe(1);
    breaker.advance(1000);
    expect(breaker.acquire().allowed).toBe(true);
  });

  it("accepts a lease for one call, and counts other outcomes under it as late", () => {
    for (const outcome of ["SUCCESS", "FAILURE", "IGNORED"] as const) {
      const breaker = halfOpen();
      const permit = breaker.acquire();
      if (!permit.allowed) throw new Error("not allowed");
      const { epoch, leaseId } = permit;
      expect(breaker.outcomes(epoch, outcome, 5, leaseId).late ?? 0).toBe(4);
      expect(breaker.state).toBe(outcome === "FAILURE" ? "OPEN" : "HALF_OPEN");
    }
  });

  it("frees no slot at a release with another epoch or another lease", () => {
    const breaker = halfOpen();
    const permit = breaker.acquire();
    if (!permit.allowed) throw new Error("not allowed");
    const { epoch, leaseId } = permit;
    breaker.apply({ type: "release", epoch: epoch - 1, leaseId });
    breaker.apply({ type: "release", epoch, leaseId: "another" });
    breaker.apply({ type: "release", epoch, leaseId: undefined });
    expect(breaker.acquire().allowed).toBe(false);
  });

  it("ignores an outcome without its lease", () => {
    const breaker = halfOpen();
    breaker.acquire();
    const { epoch } = breaker.machine;
    for (const leaseId of [undefined, "another"]) {
      expect(breaker.outcomes(epoch, "SUCCESS", 1, leaseId).late).toBe(1);
    }
  });
});

describe("an override by an operator", () => {
  it("keeps the breaker open past every timeout, while the automatic state continues beneath", () => {
    const breaker = driven();
    breaker.fail(3);
    breaker.override("FORCED_OPEN");
    breaker.advance(1_000_000);
    expect(breaker.acquire()).toEqual({
      allowed: false,
      epoch: breaker.machine.epoch,
      state: "OPEN",
      override: "FORCED_OPEN",
    });
    expect(breaker.machine.automatic.state).toBe("HALF_OPEN");
  });

  it("leaves probes that are under way without a vote", () => {
    const breaker = driven();
    breaker.fail(3);
    breaker.advance(1000);
    const probe = breaker.acquire();
    breaker.override("FORCED_OPEN");
    expect(breaker.report(probe, "SUCCESS").late).toBe(1);
    expect(breaker.state).toBe("OPEN");
  });

  it("has the same result if it is set twice", () => {
    const breaker = driven();
    breaker.override("FORCED_OPEN");
    const { epoch } = breaker.machine;
    breaker.override("FORCED_OPEN");
    expect(breaker.machine.epoch).toBe(epoch);
  });

  it("is released by a reset, which closes the breaker with counts of zero and a new epoch", () => {
    const breaker = driven();
    breaker.fail(2);
    breaker.override("FORCED_OPEN");
    const { epoch } = breaker.machine;
    breaker.apply({ type: "reset" });
    expect(breaker.machine).toEqual({
      epoch: epoch + 1,
      automatic: { state: "CLOSED", failures: 0 },
      holds: [],
    });
  });
});

describe("a breaker under every sequence of events", () => {
  it("handles a run of equal outcomes like each of them alone", () => {
    const outcome = fc.constantFrom("SUCCESS" as const, "FAILURE" as const, "IGNORED" as const);
    const runs = fc.array(fc.record({ outcome, times: fc.integer({ min: 1, max: 6 }) }), { maxLength: 20 });
    fc.assert(
      fc.property(anySettings, runs, (settings, all) => {
        const [atOnce, oneByOne] = [driven(settings), driven(settings)];
        for (const { outcome, times } of all) {
          const late = atOnce.outcomes(1, outcome, times).late ?? 0;
          let lateSingly = 0;
          for (let call = 0; call < times; call += 1) {
            lateSingly += oneByOne.outcomes(1, outcome, 1).late ?? 0;
          }
          expect(late).toBe(lateSingly);
          expect(atOnce.machine).toEqual(oneByOne.machine);
        }
      }),
    );
  });

  it("lets calls pass again once the dependency has recovered, however the configuration was changed", () => {
    const change = fc.record({ do: fc.constant("configure" as const), to: anySettings });
    const acts = fc.array(fc.oneof({ weight: 4, arbitrary: anyAct }, { weight: 1, arbitrary: change }), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(anySettings, acts, (settings, all) => {
        const breaker = driven(settings);
        const permits: Permit[] = [];
        for (const each of all) {
          if (each.do === "configure") breaker.configure(each.to);
          else take(breaker, permits, each);
        }
        if (breaker.machine.holds.length > 0) return;
        breaker.advance(CONFIG.probeTimeoutMs);
        breaker.advance(CONFIG.timeoutMs);
        for (let call = 0; call < 4; call += 1) breaker.report(breaker.acquire(), "SUCCESS");
        expect(breaker.state).toBe("CLOSED");
      }),
      { numRuns: 300 },
    );
  });

  it("keeps its invariants", () => {
    fc.assert(
      fc.property(anySettings, fc.array(anyAct, { maxLength: 120 }), (settings, acts) => {
        const breaker = driven(settings);
        const permits: Permit[] = [];
        for (const each of acts) {
          const before = breaker.machine;
          const late = take(breaker, permits, each)?.late === 1;
          const { machine } = breaker;
          expect(machine.epoch).toBeGreaterThanOrEqual(before.epoch);
          if (late) expect(machine).toBe(before);
          if (before.automatic.state !== machine.automatic.state) expect(machine.epoch).toBeGreaterThan(before.epoch);
          if (each.do !== "reset") expect(machine.holds).toEqual(expect.arrayContaining([...before.holds]));
          if (machine.automatic.state === "HALF_OPEN") {
            const { leases, successes } = machine.automatic;
            expect(leases.length).toBeLessThanOrEqual(settings.probeConcurrency);
            expect(successes + leases.length).toBeLessThanOrEqual(settings.successThreshold);
          }
          if (machine.automatic.state === "CLOSED") {
            expect(machine.automatic.failures).toBeLessThan(settings.failureThreshold);
            expect(machine.automatic.failures).toBeGreaterThanOrEqual(0);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
