import { describe, expect, it } from "vitest";
import { atOnce } from "../../../../src/core/async/steps.ts";
import { HeliosError } from "../../../../src/core/errors/error.ts";
import { SLICE_ITEMS } from "../../../../src/core/flags/evaluation/slices.ts";
import { GUESS_LOOKS, GUESSED_PREREQUISITES } from "../../../../src/core/flags/file/mistakes.ts";
import { parseFlagsFile } from "../../../../src/core/flags/file/parse.ts";
import { planningReload } from "../../../../src/core/flags/file/plan.ts";
import { createFlags } from "../../../../src/core/flags/flags.ts";
import type { Flag, Tombstone } from "../../../../src/core/flags/record.ts";
import { silentLog } from "../../../../src/core/log.ts";
import { Feed } from "../../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../../src/core/store/memory/store.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { reason } from "../harness.ts";

const MERGE = { mode: "MERGE", rebucket: false } as const;
const entry = (...prerequisites: string[]): object => ({ enabled: true, strategy: "all_on", prerequisites });

/** The plan of a reload of a file into a store, or the error. */
function planned(
  shape: object,
  flags: readonly Flag[] = [],
  tombstone: (name: string) => Tombstone | undefined = () => undefined,
) {
  const file = parseFlagsFile(JSON.stringify(shape), "flags.json");
  return atOnce(planningReload(flags, tombstone, file, MERGE, 0));
}

function mistakesOf(shape: object): readonly string[] {
  try {
    planned(shape);
  } catch (error) {
    if (!(error instanceof HeliosError)) throw error;
    const { problem, expected, more = "" } = error.metadata;
    return [`${problem}; expected ${expected}`, ...more.split("\n").slice(1)];
  }
  throw new Error("nothing was wrong");
}

describe("the plan of a reload", () => {
  it("reads the history of each flag of the file once, and distinguishes who deleted it", () => {
    const asked: string[] = [];
    const left = new Map<string, Tombstone>([
      ["a", { deleted: true }],
      ["b", { deleted: true, byFile: true }],
    ]);
    const { passedOver, differences } = planned({ a: entry(), b: entry(), c: entry() }, [], (name) => {
      asked.push(name);
      return left.get(name);
    });
    expect(asked).toEqual(["a", "b", "c"]);
    expect(passedOver).toEqual(["a"]);
    expect(differences.map(({ name }) => name)).toEqual(["b", "c"]);
  });

  it("suggests names for the first missing prerequisites, and for fewer of them if there are many flags", () => {
    const gone = (count: number): object =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`w${at}`, entry("engnie")]));
    const mistakes = mistakesOf({ engine: entry(), ...gone(15) });
    expect(mistakes).toHaveLength(15);
    expect(mistakes.filter((each) => each.endsWith('expected "engine"'))).toHaveLength(GUESSED_PREREQUISITES);
    expect(mistakes.filter((each) => each.endsWith("expected an existing flag"))).toHaveLength(5);
    // Each suggestion compares with all flags.
    const many = Object.fromEntries(Array.from({ length: GUESS_LOOKS / 5 - 16 }, (_, at) => [`f${at}`, true]));
    const guessed = mistakesOf({ engine: entry(), ...gone(15), ...many }).filter((each) => each.endsWith('"engine"'));
    expect(guessed).toHaveLength(5);
  });

  it("names the first and the last flags of a long cycle", () => {
    const cycle = (count: number): object =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, entry(`f${(at + 1) % count}`)]));
    const way = (from: number, to: number): string =>
      Array.from({ length: to - from }, (_, at) => `f${from + at}`).join(" -> ");
    expect(mistakesOf(cycle(20))).toEqual([`closes the cycle ${way(0, 20)} -> f0; expected no cycle`]);
    expect(mistakesOf(cycle(200))).toEqual([
      `closes the cycle ${way(0, 10)} -> (180 more) -> ${way(190, 200)} -> f0; expected no cycle`,
    ]);
  });

  it("is made in slices, and made again if a flag has changed meanwhile", async () => {
    const clock = createManualClock();
    const feed = new Feed(createMemoryStore({ clock, incarnation: "incarnation" }));
    let text = JSON.stringify({ a: entry() });
    const meanwhile: (() => Promise<unknown>)[] = [];
    let pauses = 0;
    const pause = async (): Promise<void> => {
      pauses += 1;
      await meanwhile.at(pauses - 1)?.();
    };
    const file = { name: "flags.json", read: async () => text };
    const flags = createFlags({ feed, clock, log: silentLog, file, pause });
    await feed.start();
    await flags.start();
    const many = Object.fromEntries(Array.from({ length: SLICE_ITEMS }, (_, at) => [`f${at}`, false]));
    text = JSON.stringify({ a: { ...entry(), description: "new" }, ...many });
    pauses = 0;
    await flags.reload({ dryRun: true });
    const inAll = pauses;
    pauses = 0;
    // The last pause belongs to the plan.
    meanwhile[inAll - 1] = () => flags.update("a", { description: "old", salt: "other" }, { rebucket: true });
    text = JSON.stringify({ a: { ...entry(), description: "old", salt: "other" }, ...many });
    const { differences } = await flags.reload();
    expect(pauses).toBeGreaterThanOrEqual(inAll);
    expect(differences.map(({ name }) => name)).not.toContain("a");
    // The mistakes of a file are found in slices, too.
    text = JSON.stringify({ a: entry("gone"), ...many });
    await expect(flags.reload()).rejects.toEqual(reason("FLAGS_FILE_INVALID", { key: "a.prerequisites[0]" }));
    await flags.close();
    feed.close();
  });
});
