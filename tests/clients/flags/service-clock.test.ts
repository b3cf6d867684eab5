import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ServiceClock } from "../../../clients/typescript/src/flags/service-clock.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";

const HOUR = 3_600_000;

describe("the service's clock", () => {
  it("is that of this machine until the service was heard", () => {
    const clock = createManualClock();
    const service = new ServiceClock(clock);
    clock.advance(5);
    expect(service.now()).toBe(clock.now());
  });

  it("counts, however wrong the clock of this machine is, also long after the last heartbeat", () => {
    const clock = createManualClock();
    const service = new ServiceClock(clock);
    service.heard(clock.now() - HOUR, 0);
    clock.advance(10 * HOUR);
    expect(service.now()).toBe(clock.now() - HOUR);
  });

  it("is within half of the smallest round trip, if most heartbeats with small round trips are honest", () => {
    const trip = fc.record({ there: fc.integer({ min: 0, max: 500 }), back: fc.integer({ min: 0, max: 500 }) });
    fc.assert(
      fc.property(
        fc.integer({ min: -HOUR, max: HOUR }),
        fc.array(trip, { minLength: 1, maxLength: 60 }),
        (off, trips) => {
          const clock = createManualClock();
          const service = new ServiceClock(clock);
          for (const { there, back } of trips) {
            clock.advance(1000 + there + back);
            // The service wrote its time when the way back began.
            service.heard(clock.now() - back + off, there + back);
          }
          const recent = trips
            .slice(-27)
            .map(({ there, back }) => there + back)
            .sort((a, b) => a - b);
          const worst = (recent[Math.min(8, recent.length - 1)] ?? 0) / 2;
          expect(Math.abs(service.now() - (clock.now() + off))).toBeLessThanOrEqual(worst);
        },
      ),
    );
  });

  it("ignores what is no time, and forgets another service", () => {
    const clock = createManualClock();
    const service = new ServiceClock(clock);
    service.heard(Number.NaN, 1);
    service.heard(clock.now() + HOUR, Number.NaN);
    expect(service.now()).toBe(clock.now());
    for (let n = 0; n < 20; n += 1) service.heard(clock.now() + HOUR, 0);
    service.forget();
    service.heard(clock.now(), 10);
    expect(service.now()).toBe(clock.now() + 5);
  });
});
