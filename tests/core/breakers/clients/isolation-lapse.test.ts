import { describe, expect, it } from "vitest";
import { Isolation } from "../../../../src/core/breakers/clients/isolation.ts";
import { completeConfig } from "../../../../src/core/breakers/validate.ts";
import type { Moment, Outcome } from "../../../../src/kernel/breakers/machine.ts";

const config = completeConfig({
  failureThreshold: 1,
  timeoutMs: 1000,
  probeTimeoutMs: 500,
  jitter: 0,
  minReporters: 2,
});
const clientId = "bad";
const at = (now: number): Moment => ({ now, random: () => 0.5 });
const outcome = (kind: Outcome) =>
  ({ type: "outcome", epoch: 1, outcome: kind, slow: false, clientId, times: 1 }) as const;

describe("an isolated client whose probe never reports", () => {
  it("is rejected again from the end of the probe's lease, however late anybody reads the breaker", () => {
    const isolation = new Isolation();
    isolation.observe(outcome("FAILURE"), undefined, config, at(0));
    expect(isolation.acquire(clientId, "lease", config, at(1000))).toMatchObject({ allowed: true, leaseId: "lease" });
    const look = (now: number) => isolation.find(clientId, config, at(now));
    expect(look(1499)).toMatchObject({ state: "HALF_OPEN" });
    expect(look(1700)).toMatchObject({ state: "OPEN", retryAfterMs: 800 });
    expect(look(2000)).toMatchObject({ state: "OPEN", retryAfterMs: 500 });
    expect(look(2500)).toMatchObject({ state: "HALF_OPEN", retryAfterMs: undefined });
  });

  it("gets the next probe after the lease and the timeout, though nobody read the breaker meanwhile", () => {
    const isolation = new Isolation();
    isolation.observe(outcome("FAILURE"), undefined, config, at(0));
    isolation.acquire(clientId, "lease", config, at(1000));
    expect(isolation.acquire(clientId, "next", config, at(2500))).toMatchObject({ allowed: true, leaseId: "next" });
  });
});
