import { describe, expect, it } from "vitest";
import { createUpcoming } from "../../../../src/core/modules/calls/upcoming.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";

describe("the time until a module serves", () => {
  it("is unknown for a module that is not being started", () => {
    const upcoming = createUpcoming(createManualClock());
    expect(upcoming.retryAfterMs("m")).toBeUndefined();
    upcoming.expect("m", 0);
    upcoming.forget("m");
    expect(upcoming.retryAfterMs("m")).toBeUndefined();
  });

  it("is the wait until the start begins, plus the duration of the last start", () => {
    const clock = createManualClock();
    const upcoming = createUpcoming(clock);
    upcoming.expect("m", 200);
    expect(upcoming.retryAfterMs("m")).toBe(450);
    upcoming.arrived("m", 1000);
    expect(upcoming.retryAfterMs("m")).toBeUndefined();
    upcoming.expect("m", 200);
    clock.advance(150);
    expect(upcoming.retryAfterMs("m")).toBe(1050);
  });

  it("is extended when a start is late, within bounds", () => {
    const clock = createManualClock();
    const upcoming = createUpcoming(clock);
    upcoming.expect("m", 0);
    clock.advance(240);
    expect(upcoming.retryAfterMs("m")).toBe(50);
    clock.advance(1010);
    expect(upcoming.retryAfterMs("m")).toBe(1000);
    clock.advance(60_000);
    expect(upcoming.retryAfterMs("m")).toBe(5000);
  });
});
