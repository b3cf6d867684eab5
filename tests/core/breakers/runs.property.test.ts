import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BreakerConfigFields } from "../../../src/kernel/breakers/config.ts";
import { rig } from "./rig.ts";

const CLIENTS = ["a", "b", "c"];

const config: fc.Arbitrary<BreakerConfigFields> = fc.record({
  failureThreshold: fc.integer({ min: 1, max: 12 }),
  failureRate: fc.option(fc.constantFrom(0.07, 0.2, 0.5, 1)),
  slowCallRate: fc.option(fc.constantFrom(0.3, 0.5, 1)),
  windowCalls: fc.integer({ min: 1, max: 15 }),
  windowMs: fc.constantFrom(0, 0, 1000),
  minimumCalls: fc.integer({ min: 1, max: 12 }),
  minReporters: fc.integer({ min: 1, max: 3 }),
  warmUpMs: fc.constantFrom(0, 0, 300),
  successThreshold: fc.integer({ min: 1, max: 2 }),
  probeFailureRate: fc.constantFrom(0, 0.5),
  timeoutMs: fc.constantFrom(200, 1000),
});

const run = fc.record({
  afterMs: fc.constantFrom(0, 0, 10, 100, 400),
  client: fc.constantFrom(...CLIENTS),
  outcome: fc.constantFrom("FAILURE", "FAILURE", "FAILURE", "SUCCESS", "IGNORED"),
  slow: fc.boolean(),
  count: fc.integer({ min: 1, max: 20 }),
  /** Whether a caller asks for each permit, with the present epoch. */
  asks: fc.boolean(),
} as const);

describe("a run of equal outcomes", () => {
  it("has the same result as its outcomes one by one, under all policies and from all reporters", async () => {
    await fc.assert(
      fc.asyncProperty(config, fc.array(run, { maxLength: 25 }), async (fields, runs) => {
        const rigs = [await rig(), await rig()] as const;
        const seqs = new Map<string, number>();
        for (const { breakers } of rigs) await breakers.getOrCreate("api", fields);
        const epoch = { now: rigs[0].breakers.get("api").epoch };
        for (const { afterMs, client, outcome, slow, count, asks } of runs) {
          const leases: (string | undefined)[] = [];
          for (const { breakers, clock } of rigs) {
            clock.advance(afterMs);
            const permit = asks ? breakers.acquire("api", client) : undefined;
            leases.push(permit?.allowed ? permit.leaseId : undefined);
          }
          if (asks) epoch.now = rigs[0].breakers.get("api").epoch;
          const seq = (seqs.get(client) ?? 0) + 1;
          seqs.set(client, seq);
          for (const [index, { breakers }] of rigs.entries()) {
            const leaseId = leases[index];
            const one = { outcome, slow, count: 1 };
            const times = leaseId === undefined ? count : 1;
            const all = index === 0 ? [{ outcome, slow, count: times }] : Array.from({ length: times }, () => one);
            breakers.report(client, seq, [{ name: "api", epoch: epoch.now, leaseId, runs: all }]);
          }
          const [together, singly] = rigs.map(({ breakers }) => breakers.get("api"));
          const { resource: _1, ...a } = together ?? {};
          const { resource: _2, ...b } = singly ?? {};
          expect(a).toEqual(b);
        }
        for (const { breakers } of rigs) await breakers.close();
      }),
      { numRuns: 150 },
    );
  });
});
