import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readRecord, toMachine, toRecord } from "../../../src/core/breakers/record.ts";
import { nextTick, type Permit } from "../../../src/kernel/breakers/machine.ts";
import { acts, anyConfig, RUNS, world } from "../../kernel/breakers/acts.ts";
import { anyAct, anySettings, CONFIG, driven, take } from "../../kernel/breakers/driven.ts";

describe("a breaker that was stored and read again", () => {
  it("behaves as before, wherever the wall clock was set, where half-open is read as open and due", () => {
    fc.assert(
      fc.property(
        anySettings,
        fc.array(anyAct, { maxLength: 60 }),
        fc.integer({ min: -3_600_000, max: 3_600_000 }),
        (settings, acts, stepped) => {
          const breaker = driven(settings);
          const permits: Permit[] = [];
          for (const each of acts) take(breaker, permits, each);
          const { machine, now } = breaker;
          const full = { ...CONFIG, ...settings };
          const record = toRecord(machine, full, { action: "Trip", time: 0 }, { monotonic: now, wall: 1e12 });
          const stored = readRecord("api", JSON.parse(JSON.stringify(record)));
          const read = toMachine(stored, { monotonic: 5, wall: 1e12 + stepped });
          expect([read.epoch, read.holds]).toEqual([machine.epoch, machine.holds]);
          if (machine.automatic.state === "HALF_OPEN") {
            const { reopenings } = machine.automatic;
            expect(read.automatic).toEqual({ state: "OPEN", until: 5, reopenings });
          } else expect(read.automatic.state).toBe(machine.automatic.state);
          if (machine.automatic.state === "OPEN") {
            const left = (nextTick(read) ?? 0) - 5;
            const leftBefore = machine.automatic.until - now;
            expect(left).toBe(Math.min(Math.max(0, leftBefore - stepped), full.timeoutMs));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("behaves as the one that was stored, where half-open is read as open and due", () => {
    fc.assert(
      fc.property(anyConfig, acts, acts, (config, all, after) => {
        const one = world(config);
        for (const act of all) one.act(act);
        one.act({ do: "tick" });
        const { machine, now } = one;
        const record = toRecord(machine, config, { action: "Trip", time: 0 }, { monotonic: now, wall: 1e12 });
        const stored: unknown = JSON.parse(JSON.stringify(record));
        const read = toMachine(readRecord("api", stored), { monotonic: now, wall: 1e12 });
        const { automatic } = machine;
        if (automatic.state === "CLOSED")
          expect(read).toEqual({ ...machine, automatic: { state: "CLOSED", failures: 0 } });
        else if (automatic.state === "OPEN") expect(read).toEqual(machine);
        else {
          const { reopenings } = automatic;
          expect(read).toEqual({ ...machine, automatic: { state: "OPEN", until: now, reopenings } });
        }
        if (automatic.state !== "OPEN") return;
        const [saved, restored] = [world(config), world(config)];
        saved.become(machine, now);
        restored.become(read, now);
        for (const act of after) expect(restored.act(act)?.result).toEqual(saved.act(act)?.result);
      }),
      RUNS,
    );
  });
});
