import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closureProblem, dependentsIn, MAX_CLOSURE_LOOKS } from "../../../../src/core/flags/changes/prerequisites.ts";
import type { Flags } from "../../../../src/core/flags/types.ts";
import { closureOf } from "../../../../src/kernel/flags/closure.ts";
import { MAX_CLOSURE } from "../../../../src/kernel/flags/evaluate.ts";
import { type FlagsRig, flagsRig, reason } from "../harness.ts";

const on = { enabled: true } as const;
const entry = (prerequisites: readonly string[]): object => ({ enabled: true, strategy: "all_on", prerequisites });
const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${prefix}${at}`);

/** Flags in a chain, of which `top` needs that many; and `base`, which needs no flag. */
async function chained(length: number): Promise<FlagsRig> {
  const chain = ["top", ...names("p", length)];
  const file = Object.fromEntries(chain.map((name, at) => [name, entry(chain.slice(at + 1, at + 2))]));
  return flagsRig({ file: JSON.stringify({ ...file, base: entry([]) }) });
}

function neededIn(graph: ReadonlyMap<string, readonly string[]>): (name: string) => readonly string[] {
  const dependents = dependentsIn(graph);
  return (name) => dependents.get(name) ?? [];
}

describe("the number of flags that a flag needs", () => {
  it("may be as large as the limit", async () => {
    const { flags } = await chained(MAX_CLOSURE);
    expect(flags.isEnabled("top")).toBe(true);
  });

  const ways: Record<string, (of: FlagsRig) => Promise<unknown>> = {
    create: ({ flags }) => flags.create("new", { ...on, prerequisites: ["top"] }),
    update: ({ flags }) => flags.update("base", { prerequisites: ["top"] }),
    "an update of a flag that others need": ({ flags }) =>
      flags.update(`p${MAX_CLOSURE - 1}`, { prerequisites: ["base"] }),
    batch: ({ flags }) =>
      flags.updateTogether([
        { name: "base", fields: { enabled: false } },
        { name: `p${MAX_CLOSURE - 1}`, fields: { prerequisites: ["x"] } },
        { name: "x", fields: on, allowMissing: true },
      ]),
    reload: ({ flags, write }) => {
      write(JSON.stringify({ [`p${MAX_CLOSURE - 1}`]: entry(["base"]) }));
      return flags.reload();
    },
  };
  it.each(Object.entries(ways))("cannot exceed the limit by %s, which then changes nothing", async (_, way) => {
    const of = await chained(MAX_CLOSURE);
    const before = of.feed.revision;
    const problem = expect.stringMatching(/^flag \w+ would need more than 256 flags, directly or not$/);
    await expect(way(of)).rejects.toMatchObject({
      reason: expect.stringMatching(/^(FLAG_PREREQUISITES_TOO_MANY|FLAGS_FILE_INVALID)$/),
      metadata: expect.objectContaining({ problem }),
    });
    expect(of.feed.revision).toBe(before);
    expect(of.flags.isEnabled("top")).toBe(true);
  });

  it("cannot exceed the limit by a revert", async () => {
    const { flags, feed } = await chained(MAX_CLOSURE - 1);
    await flags.update(`p${MAX_CLOSURE - 2}`, { prerequisites: ["base"] });
    const { revision } = feed;
    await flags.update(`p${MAX_CLOSURE - 2}`, { prerequisites: [] });
    await flags.create("x", { ...on, prerequisites: ["top"] });
    const refused = reason("FLAG_PREREQUISITES_TOO_MANY", { name: `p${MAX_CLOSURE - 2}` });
    await expect(flags.revert(`p${MAX_CLOSURE - 2}`, revision)).rejects.toEqual(refused);
  });

  it("is refused in a batch with the request that exceeds it", async () => {
    const of = await chained(MAX_CLOSURE);
    await expect(ways.batch?.(of)).rejects.toEqual(reason("FLAG_PREREQUISITES_TOO_MANY", { index: "1" }));
  });

  it("may exceed the limit in a stored flag from before the limit: it is off, says why, and can be repaired", async () => {
    const { flags, store, restart } = await chained(MAX_CLOSURE);
    const last = `p${MAX_CLOSURE - 1}`;
    const { record } = flags.get(last);
    const more = JSON.stringify({ ...record, prerequisites: ["base"] });
    await store.put(`flag/${last}`, more, { cause: { action: "UpdateFlag" } });
    const off = { enabled: false, reason: "ERROR", errorCode: "TOO_MANY_PREREQUISITES" };
    const check = async (found: Flags): Promise<void> => {
      expect(found.evaluate("top")).toMatchObject(off);
      const { evaluation, steps } = await found.explain("top");
      expect(evaluation).toMatchObject(off);
      expect(steps.at(-1)).toMatchObject({ stopped: true, outcome: "more than 256: off, TOO_MANY_PREREQUISITES" });
      expect(found.isEnabled("p0")).toBe(true);
    };
    await check(flags);
    const again = await restart();
    await check(again.flags);
    const logged = again.logged.filter(([, level]) => level === "error");
    expect(logged).toEqual([
      ["flags", "error", "a stored flag needs too many flags, and is off", { name: "top", most: 256 }],
    ]);
    // A change that makes it no worse is accepted, also in a flag that it needs.
    await again.flags.update("top", { description: "too much" });
    await again.flags.create("y", on);
    await again.flags.update(last, { prerequisites: ["y"] });
    await again.flags.update(last, { prerequisites: [] });
    expect(again.flags.isEnabled("top")).toBe(true);
  });

  it("is computed with few reads, however dense the graph is", () => {
    const layers = Array.from({ length: 8 }, (_, layer) => names(`l${layer}-`, 31));
    const graph = new Map<string, readonly string[]>([["base", []]]);
    for (const [layer, all] of layers.entries()) for (const name of all) graph.set(name, layers[layer + 1] ?? ["base"]);
    for (const name of names("t", 10_000)) graph.set(name, layers[0] as string[]);
    graph.set("base", ["new"]);
    graph.set("new", []);
    let looks = 0;
    const needs = (name: string): readonly string[] | undefined => {
      looks += 1 + (graph.get(name)?.length ?? 0);
      return graph.get(name);
    };
    const problem = closureProblem(new Set(["base"]), neededIn(graph), needs, needs);
    expect(problem).toBe("too many flags depend on it to count their prerequisites");
    expect(looks).toBeLessThan(MAX_CLOSURE_LOOKS + 20_000);
  });

  it("is refused exactly if a flag that gains prerequisites, or one that needs it, would exceed the limit", () => {
    const all = names("f", 12).flatMap((name) => [name, ...names(`${name}-`, 60)]);
    const roots = all.filter((name) => !name.includes("-"));
    const edges = fc.tuple(...roots.map((_, at) => fc.subarray(roots.slice(at + 1))));
    fc.assert(
      fc.property(edges, edges, (old, fresh) => {
        const graphOf = (lists: readonly string[][]) => {
          const own = (name: string): readonly string[] => {
            const at = roots.indexOf(name);
            return at < 0 ? [] : [...(lists[at] ?? []), ...names(`${name}-`, 60)];
          };
          return new Map(all.map((name) => [name, own(name)]));
        };
        const [before, after] = [graphOf(old), graphOf(fresh)];
        const needs = (graph: typeof before) => (name: string) => graph.get(name);
        const grown = roots.filter((name) => after.get(name)?.some((each) => !before.get(name)?.includes(each)));
        const sizeIn = (graph: typeof before, name: string): number => {
          const found = new Set<string>();
          const visit = (each: string): void => {
            for (const next of graph.get(each) ?? []) if (!found.has(next)) visit(next) ?? found.add(next);
          };
          visit(name);
          return found.size;
        };
        const isWorse = (name: string): boolean => {
          if (sizeIn(after, name) <= MAX_CLOSURE) return false;
          if (grown.includes(name)) return true;
          const needsGrown = [...closureOf(name, needs(after))].some((each) => grown.includes(each));
          return needsGrown && sizeIn(before, name) <= MAX_CLOSURE;
        };
        const problem = closureProblem(new Set(grown), neededIn(after), needs(after), needs(before));
        expect(problem !== undefined).toBe(roots.some(isWorse));
      }),
      { numRuns: 100 },
    );
  });
});
