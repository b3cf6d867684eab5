import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { atOnce } from "../../../../src/core/async/steps.ts";
import type { HeliosError } from "../../../../src/core/errors/error.ts";
import { cycleOf, orderingFlags } from "../../../../src/core/flags/changes/prerequisites.ts";
import { flagsRig, reason } from "../harness.ts";

const on = { enabled: true } as const;

describe("a prerequisite", () => {
  it("must be on for the same context", async () => {
    const { flags } = await flagsRig();
    await flags.create("base", { enabled: true, strategy: "WHITELIST", whitelist: ["ana"] });
    await flags.create("a", { ...on, prerequisites: ["base"] });
    expect(flags.evaluate("a", { userId: "ana" })).toMatchObject({ enabled: true, reason: "TARGETING_MATCH" });
    expect(flags.evaluate("a", { userId: "ben" })).toMatchObject({ enabled: false, reason: "DEFAULT" });
    await flags.disable("base");
    expect(flags.isEnabled("a", { userId: "ana" })).toBe(false);
  });

  it("takes effect at once, wherever a flag needs it", async () => {
    const { flags } = await flagsRig();
    await flags.create("c", on);
    await flags.create("b", { ...on, prerequisites: ["c"] });
    await flags.create("a", { ...on, prerequisites: ["b"] });
    expect(flags.isEnabled("a")).toBe(true);
    await flags.disable("c", { kill: true });
    expect(flags.isEnabled("a")).toBe(false);
    await flags.enable("c", {}, { reason: "fixed" });
    expect(flags.isEnabled("a")).toBe(true);
    await flags.update("b", { prerequisites: [] });
    await flags.disable("c");
    expect(flags.isEnabled("a")).toBe(true);
  });

  it("is refused if it does not exist, with a suggestion of the name", async () => {
    const { flags } = await flagsRig();
    await flags.create("new_engine", on);
    const refused = reason("FLAG_PREREQUISITE_MISSING", {
      name: "a",
      prerequisite: "new_enigne",
      nearest: "new_engine",
    });
    await expect(flags.create("a", { prerequisites: ["new_enigne"] })).rejects.toEqual(refused);
  });

  it("is refused with the path if it closes a cycle, by every kind of change", async () => {
    const { flags, feed } = await flagsRig();
    await flags.create("c", {});
    await flags.create("b", { prerequisites: ["c"] });
    await flags.create("a", { prerequisites: ["b"] });
    const cycle = (name: string, path: string): unknown => reason("FLAG_PREREQUISITE_CYCLE", { name, cycle: path });
    await expect(flags.update("c", { prerequisites: ["a"] })).rejects.toEqual(cycle("c", "c -> a -> b -> c"));
    await expect(flags.update("a", { prerequisites: ["a"] })).rejects.toEqual(cycle("a", "a -> a"));
    await expect(flags.create("d", { prerequisites: ["d"] })).rejects.toEqual(cycle("d", "d -> d"));
    const before = feed.revision;
    await flags.update("a", { prerequisites: [] });
    await flags.update("c", { prerequisites: ["a"] });
    await expect(flags.revert("a", before)).rejects.toEqual(cycle("a", "a -> b -> c -> a"));
  });

  it("closes no cycle when two changes are made at once", async () => {
    const { flags } = await flagsRig();
    await flags.create("a", {});
    await flags.create("b", {});
    const results = await Promise.allSettled([
      flags.update("a", { prerequisites: ["b"] }),
      flags.update("b", { prerequisites: ["a"] }),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  it("cannot be deleted while another flag needs it, even if both requests arrive at once", async () => {
    const { flags } = await flagsRig();
    await flags.create("base", on);
    await flags.create("a", { prerequisites: ["base"] });
    await flags.create("b", { prerequisites: ["base"] });
    const refused = reason("FLAG_HAS_DEPENDENTS", { name: "base", dependents: "a, b" });
    await expect(flags.delete("base")).rejects.toEqual(refused);
    await flags.update("a", { prerequisites: [] });
    await flags.update("b", { prerequisites: [] });
    const results = await Promise.allSettled([flags.delete("base"), flags.update("a", { prerequisites: ["base"] })]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });

  it("turns the flag off with an error code if it is missing nevertheless", async () => {
    const { flags, store } = await flagsRig();
    await flags.create("base", on);
    await flags.create("middle", { ...on, prerequisites: ["base"] });
    await flags.create("a", { ...on, prerequisites: ["middle"] });
    // Another process may do this if it has not seen the flag that needs it.
    await store.put("flag/base", JSON.stringify({ deleted: true }), { cause: { action: "DeleteFlag" } });
    for (const name of ["middle", "a"]) {
      expect(flags.evaluate(name)).toMatchObject({
        enabled: false,
        reason: "ERROR",
        errorCode: "PREREQUISITE_MISSING",
      });
    }
    // A flag without a part in it can still be changed.
    expect((await flags.update("middle", { description: "waits for base" })).record.prerequisites).toEqual(["base"]);
  });

  it("a prerequisite in a cycle that two processes have closed does not make the evaluation endless", async () => {
    const { flags, store } = await flagsRig();
    await flags.create("b", on);
    await flags.create("a", { ...on, prerequisites: ["b"] });
    const { record } = flags.get("b");
    const cause = { action: "UpdateFlag" };
    await store.put("flag/b", JSON.stringify({ ...record, prerequisites: ["a"] }), { cause });
    expect(flags.evaluate("a")).toMatchObject({ enabled: true });
    await store.put("flag/b", JSON.stringify({ ...record, enabled: false, prerequisites: ["a"] }), { cause });
    expect(flags.evaluate("a")).toMatchObject({ enabled: false });
  });

  it("a prerequisite in a file must exist after the reload and close no cycle, or nothing is changed", async () => {
    const { flags, feed, write } = await flagsRig();
    await flags.create("old_engine", on);
    const before = feed.revision;
    const entry = (...prerequisites: string[]): object => ({ enabled: true, strategy: "all_on", prerequisites });
    const file = (shape: object): void => write(JSON.stringify(shape, undefined, 1));
    file({ a: entry("b"), b: entry("c"), c: entry("a") });
    await expect(flags.reload()).rejects.toEqual(
      reason("FLAGS_FILE_INVALID", { line: "5", key: "a.prerequisites", problem: "closes the cycle a -> b -> c -> a" }),
    );
    file({ a: entry("b", "old_enigne"), b: entry() });
    const missing = { key: "a.prerequisites[1]", problem: 'flag "old_enigne" would not exist' };
    await expect(flags.reload()).rejects.toEqual(
      reason("FLAGS_FILE_INVALID", { ...missing, line: "7", expected: '"old_engine"' }),
    );
    file({ a: entry("old_engine") });
    await expect(flags.reload({ mode: "REPLACE" })).rejects.toEqual(reason("FLAGS_FILE_INVALID"));
    expect(feed.revision).toBe(before);
    await flags.reload();
    expect(flags.isEnabled("a")).toBe(true);
  });

  it("a prerequisite in a file is reported together with all other mistakes of the file", async () => {
    const { flags, write } = await flagsRig();
    const needs = (...prerequisites: string[]): object => ({ enabled: true, strategy: "all_on", prerequisites });
    const wrong = { enabled: 1, strategy: "all_on", prerequisites: ["nowhere", "a"] };
    write(
      JSON.stringify({
        a: needs("b"),
        b: needs("a", "c"),
        c: needs("b", "gone"),
        d: needs("d2"),
        d2: needs("d"),
        e: wrong,
      }),
    );
    const error = await flags.reload().catch((thrown: HeliosError) => thrown);
    const { key, problem, more = "", mistakes } = (error as HeliosError).metadata;
    const lines = [`line 1, ${key}: ${problem}; `, ...more.split("\n").slice(1)]
      .map((line) => line.split("; ")[0])
      .sort();
    expect(lines).toEqual([
      "line 1, a.prerequisites: closes the cycle a -> b -> a",
      "line 1, b.prerequisites: closes the cycle b -> c -> b",
      'line 1, c.prerequisites[1]: flag "gone" would not exist',
      "line 1, d.prerequisites: closes the cycle d -> d2 -> d",
      "line 1, e.enabled: 1 is not allowed",
      'line 1, e.prerequisites[0]: flag "nowhere" would not exist',
    ]);
    expect(mistakes).toBe("6");
  });

  it("a prerequisite in a file is written before the flag that needs it, so that no watcher sees the flag without it", async () => {
    const { flags, store, write } = await flagsRig();
    const states: boolean[] = [];
    await store.watch(0, ([change]) => {
      const { key = "" } = change ?? {};
      if (!key.startsWith("flag/")) return;
      const names = new Set(flags.list().map(({ name }) => name));
      states.push(flags.list().every(({ record }) => (record.prerequisites ?? []).every((name) => names.has(name))));
    });
    const entry = (...prerequisites: string[]): object => ({ enabled: true, strategy: "all_on", prerequisites });
    write(JSON.stringify({ a: entry("b"), b: entry("c"), c: entry() }));
    await flags.reload();
    expect(flags.isEnabled("a")).toBe(true);
    write(JSON.stringify({ c: entry("a"), a: entry() }));
    await flags.reload({ mode: "REPLACE" });
    expect(flags.list().map(({ name }) => name)).toEqual(["a", "c"]);
    expect(states).toEqual(states.map(() => true));
  });
});

describe("the analysis of a graph of prerequisites", () => {
  it("orders each flag after its prerequisites, and finds every cycle that a plain search finds", () => {
    const names = ["a", "b", "c", "d", "e"];
    const graph = fc.tuple(...names.map(() => fc.subarray([...names, "gone"])));
    fc.assert(
      fc.property(graph, fc.integer({ min: 0, max: 3 }), (edges, most) => {
        const needs = (name: string): readonly string[] => edges[names.indexOf(name)] ?? [];
        const { order, cycles } = atOnce(orderingFlags(names, needs, names.length ** 2));
        expect([...order].sort()).toEqual(names);
        const cut = new Set(cycles.map((cycle) => cycle.slice(-2).join()));
        const left = (name: string): readonly string[] => needs(name).filter((each) => !cut.has(`${name},${each}`));
        // Each cycle exists and is returned once, and without its last step no other is left.
        expect(cut.size).toBe(cycles.length);
        for (const cycle of cycles) {
          expect(cycle[0]).toBe(cycle.at(-1));
          expect(new Set(cycle).size).toBe(cycle.length - 1);
          for (const [at, name] of cycle.slice(0, -1).entries()) expect(needs(name)).toContain(cycle[at + 1]);
        }
        expect(names.filter((name) => cycleOf(name, left) !== undefined)).toEqual([]);
        for (const [at, name] of order.entries())
          for (const needed of left(name)) if (needed !== "gone") expect(order.slice(0, at)).toContain(needed);
        expect(atOnce(orderingFlags(names, needs, most)).cycles).toEqual(cycles.slice(0, most));
      }),
    );
  });

  it.each([
    ["pairs that need each other", (at: number) => [at ^ 1]],
    ["a chain that closes a cycle", (at: number, count: number) => [(at + 1) % count]],
    [
      "a chain in which each flag also needs the first",
      (at: number, count: number) => [0, Math.min(at + 1, count - 1)],
    ],
  ])("visits each flag and each of its prerequisites once, with %s", (_, edgesOf) => {
    const count = 5000;
    const graph = new Map(
      Array.from({ length: count }, (__, at) => [`f${at}`, edgesOf(at, count).map((to) => `f${to}`)]),
    );
    let looks = 0;
    const steps = orderingFlags(
      [...graph.keys()],
      (name) => {
        looks += 1;
        return graph.get(name) ?? [];
      },
      100,
    );
    let taken = 0;
    for (; !steps.next().done; taken += 1);
    expect(looks).toBe(count);
    expect(taken).toBe(count + [...graph.values()].reduce((sum, needed) => sum + new Set(needed).size, 0));
  });
});
