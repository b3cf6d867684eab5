import { describe, expect, it } from "vitest";
import { inSlices, SLICE_ITEMS, SLICE_MS, stepsInSlices } from "../../../../src/core/flags/evaluation/slices.ts";
import { parsingFlagsFile } from "../../../../src/core/flags/file/parse.ts";
import { createFlags } from "../../../../src/core/flags/flags.ts";
import { silentLog } from "../../../../src/core/log.ts";
import { Feed } from "../../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../../src/core/store/memory/store.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";

function slicing() {
  const clock = createManualClock();
  const abort = new AbortController();
  let pauses = 0;
  const pause = async (): Promise<void> => {
    pauses += 1;
  };
  return { clock, abort, slicing: { clock, pause, signal: abort.signal }, pauses: () => pauses };
}

describe("work in slices", () => {
  it("answers for each item in order, and pauses when a slice has taken its time", async () => {
    const { clock, slicing: options, pauses } = slicing();
    const work = (item: number): number => {
      clock.advance(SLICE_MS / 2);
      return item * 2;
    };
    expect(await inSlices([1, 2, 3, 4, 5], work, options)).toEqual([2, 4, 6, 8, 10]);
    expect(pauses()).toBe(2);
  });

  it("pauses after a number of items even if time stands still", async () => {
    const { slicing: options, pauses } = slicing();
    await inSlices(Array(SLICE_ITEMS * 2 + 1).fill(0), () => 0, options);
    expect(pauses()).toBe(2);
  });

  it("reads a flags file flag by flag", async () => {
    const { slicing: options, pauses } = slicing();
    const flags = Object.fromEntries(Array.from({ length: SLICE_ITEMS * 2 }, (_, index) => [`flag-${index}`, true]));
    const read = await stepsInSlices(parsingFlagsFile(JSON.stringify(flags), "f", undefined), options);
    expect(read.flags).toHaveLength(SLICE_ITEMS * 2);
    // Twice as many as for the text alone, or for the flags alone.
    expect(pauses()).toBe(3);
  });

  it("ends when it is cancelled", async () => {
    const { abort, slicing: options } = slicing();
    let done = 0;
    const work = (): void => {
      done += 1;
      if (done === 3) abort.abort(new Error("gone"));
    };
    await expect(inSlices([1, 2, 3, 4, 5], work, options)).rejects.toThrow("gone");
    expect(done).toBe(3);
  });
});

describe("many flags", () => {
  /** Flags whose conditions take 2 ms each, and the actions in the pauses. */
  async function slow(count: number) {
    const clock = createManualClock();
    const feed = new Feed(createMemoryStore({ clock, incarnation: "incarnation" }));
    const meanwhile: (() => Promise<unknown>)[] = [];
    const flags = createFlags({
      feed,
      clock,
      log: silentLog,
      file: { name: "flags.json", read: async () => "{}" },
      compileCondition: () => () => {
        clock.advance(2);
        return true;
      },
      pause: async () => {
        await meanwhile.shift()?.();
      },
    });
    await feed.start();
    await flags.start();
    for (let index = 0; index < count; index += 1) {
      await flags.create(`f${String(index).padStart(2, "0")}`, { enabled: true, condition: "slow" });
    }
    return { flags, meanwhile };
  }

  it("are evaluated at one revision and time, whatever is written in between", async () => {
    const { flags, meanwhile } = await slow(12);
    const before = flags.evaluateMany("all");
    meanwhile.push(
      () => flags.disable("f11"),
      () => flags.delete("f10"),
      () => flags.create("new", { enabled: true }),
    );
    expect(await flags.evaluateManyInSlices("all")).toEqual(before);
    expect(meanwhile).toEqual([]);
    expect(flags.evaluateMany(["f11", "f10", "new"]).evaluations.map(({ enabled }) => enabled)).toEqual([
      false,
      false,
      true,
    ]);
  });

  it("are evaluated no further after the caller has left", async () => {
    const { flags, meanwhile } = await slow(12);
    const abort = new AbortController();
    meanwhile.push(async () => abort.abort(new Error("gone")));
    await expect(flags.evaluateManyInSlices("all", {}, abort.signal)).rejects.toThrow("gone");
  });

  it("are answered in the requested order, including unknown names", async () => {
    const { flags } = await slow(2);
    const { evaluations } = await flags.evaluateManyInSlices(["f01", "no", "f00"]);
    expect(evaluations.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ["f01", undefined],
      ["no", "FLAG_NOT_FOUND"],
      ["f00", undefined],
    ]);
  });
});
