import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createQuiet } from "../../../src/core/async/quiet.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";

function quiet() {
  const clock = createManualClock();
  const runs: (readonly [at: number, keys: readonly string[]])[] = [];
  const start = clock.monotonic();
  const one = createQuiet(clock, { quietMs: 200, mostMs: 2000 }, (keys) =>
    runs.push([clock.monotonic() - start, keys]),
  );
  return { clock, runs, ...one };
}

describe("a burst", () => {
  it("is delivered as one, 200 ms after its last event", () => {
    const { clock, runs, touch } = quiet();
    touch("a");
    clock.advance(150);
    touch("b");
    touch("a");
    clock.advance(199);
    expect(runs).toEqual([]);
    clock.advance(1);
    expect(runs).toEqual([[350, ["a", "b"]]]);
    clock.advance(10_000);
    expect(runs).toHaveLength(1);
  });

  it("is delivered after 2 s if it does not end, and again after that", () => {
    const { clock, runs, touch } = quiet();
    for (let at = 0; at < 5000; at += 100) {
      touch("a");
      clock.advance(100);
    }
    expect(runs.map(([at]) => at)).toEqual([2000, 4000]);
  });

  it("is dropped if its subscriber has stopped", () => {
    const { clock, runs, touch, close } = quiet();
    touch("a");
    close();
    clock.advance(1000);
    expect(runs).toEqual([]);
  });

  it("a burst of any form loses no event, and is delivered between 200 ms and 2 s after each event", () => {
    const waits = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.constantFrom("a", "b", "c")), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(waits, (parts) => {
        const { clock, runs, touch } = quiet();
        const touches: [number, string][] = [];
        let now = 0;
        for (const [wait, key] of parts) {
          clock.advance(wait);
          now += wait;
          touch(key);
          touches.push([now, key]);
        }
        clock.advance(2000);
        for (const [at, key] of touches) {
          const taken = runs.find(([when, keys]) => when >= at && keys.includes(key));
          expect(taken?.[0]).toBeLessThanOrEqual(at + 2000);
        }
        for (const [at] of runs) {
          const last = touches.filter(([when]) => when < at).at(-1)?.[0] ?? 0;
          const first =
            touches.find(([when]) => when >= (runs.filter(([other]) => other < at).at(-1)?.[0] ?? -1))?.[0] ?? 0;
          expect(at - last >= 200 || at - first >= 2000).toBe(true);
        }
      }),
    );
  });
});
