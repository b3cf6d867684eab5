import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createQuiet } from "../../../../../src/core/modules/host/inside/quiet.ts";
import { turn } from "../../../../support/turns.ts";

/** A module whose state is set by the test. */
function module() {
  const calls = new Set<number>();
  const now = { methods: 0, isHeld: false, taken: 0, lastId: 0 };
  const quiet = createQuiet({
    methods: () => now.methods,
    calls: () => calls,
    hold: () => {
      now.isHeld = true;
    },
  });
  /** The work that was under way at the quiet moment. */
  const take = (id = 1): Promise<unknown> =>
    quiet.take(id, () => {
      now.taken += 1;
      return { methods: now.methods, calls: calls.size, isHeld: now.isHeld };
    });
  return {
    now,
    quiet,
    take,
    /** A call of the module's own, which does not begin while calls are held. */
    begin(): number {
      now.lastId += 1;
      calls.add(now.lastId);
      return now.lastId;
    },
    answer(id: number): void {
      calls.delete(id);
      quiet.changed();
    },
    ends(): void {
      now.methods -= 1;
      quiet.changed();
    },
  };
}

const NOTHING = { methods: 0, calls: 0, isHeld: true };

describe("a quiet moment", () => {
  it("occurs in an event loop turn of its own if nothing is under way, and holds calls from then on", async () => {
    const { take, now } = module();
    const taken = take();
    expect(now).toMatchObject({ taken: 0, isHeld: false });
    expect(await taken).toEqual(NOTHING);
  });

  it("occurs after the promise callbacks of the last answer", async () => {
    const one = module();
    const first = one.begin();
    const taken = one.take();
    await turn();
    one.answer(first);
    // The callback of the answer begins another call.
    const second = await Promise.resolve().then(() => one.begin());
    await turn();
    expect(one.now.taken).toBe(0);
    one.answer(second);
    expect(await taken).toEqual(NOTHING);
  });

  it("does not occur while a method runs, though calls are held", async () => {
    const one = module();
    one.now.methods = 2;
    const taken = one.take();
    one.quiet.press(1, "hold");
    one.ends();
    await turn();
    expect(one.now).toMatchObject({ taken: 0, isHeld: true });
    one.ends();
    expect(await taken).toEqual(NOTHING);
  });

  it("is reached by holding calls, but only after those from before the request are answered", async () => {
    const one = module();
    const first = one.begin();
    const taken = one.take();
    await turn();
    one.quiet.press(1, "hold later calls");
    await turn();
    expect(one.now.isHeld).toBe(false);
    const later = one.begin();
    one.answer(first);
    await turn();
    expect(one.now).toMatchObject({ isHeld: true, taken: 0 });
    one.answer(later);
    expect(await taken).toEqual(NOTHING);
  });

  it("is skipped if the request cannot wait", async () => {
    const one = module();
    one.begin();
    one.now.methods = 1;
    const taken = one.take();
    one.quiet.press(1, "take");
    expect(await taken).toEqual({ methods: 1, calls: 1, isHeld: true });
    one.ends();
    await turn();
    expect(one.now.taken).toBe(1);
  });

  it("is cancelled if it is given up, and no call is held for it", async () => {
    const one = module();
    const first = one.begin();
    const taken = one.take(7);
    expect(one.quiet.cancel(8)).toBe(false);
    expect(one.quiet.cancel(7)).toBe(true);
    await expect(taken).rejects.toThrow("the wait was cancelled");
    one.answer(first);
    one.quiet.press(7, "hold");
    await turn();
    expect(one.now).toMatchObject({ taken: 0, isHeld: false });
  });

  it("occurs once, with nothing under way, whatever happens in whatever order", async () => {
    const step = fc.constantFrom("begin", "answer", "method", "ends", "turn", "hold", "hold later calls");
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const one = module();
        const open = [one.begin()];
        const taken = one.take();
        for (const what of steps) {
          if (what === "turn") await turn();
          // As the real context does it.
          else if (what === "begin" && !one.now.isHeld) open.push(one.begin());
          else if (what === "answer") for (const id of open.splice(0, 1)) one.answer(id);
          else if (what === "method" && !one.now.isHeld) one.now.methods += 1;
          else if (what === "ends" && one.now.methods > 0) one.ends();
          else if (what === "hold" || what === "hold later calls") one.quiet.press(1, what);
        }
        for (const id of open) one.answer(id);
        while (one.now.methods > 0) one.ends();
        expect(await taken).toEqual(NOTHING);
        expect(one.now.taken).toBe(1);
      }),
      { numRuns: 300 },
    );
  });
});
