import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  callCycle,
  cycleThrough,
  type Dependencies,
  dependentsOrder,
  directDependents,
  loadOrder,
} from "../../../../src/core/modules/record/dependencies.ts";

const graphOf = (edges: Readonly<Record<string, readonly string[]>>): Dependencies => new Map(Object.entries(edges));

const names = Array.from({ length: 9 }, (_, index) => `m${index}`);

/** Any graph, with or without cycles. */
const graphs: fc.Arbitrary<Dependencies> = fc
  .array(fc.uniqueArray(fc.constantFrom(...names), { maxLength: 4 }), { minLength: 9, maxLength: 9 })
  .map((needs) => new Map(names.map((name, index) => [name, needs[index] ?? []])));

/** A graph in which each name needs only earlier names. */
const acyclicGraphs: fc.Arbitrary<Dependencies> = graphs.map(
  (graph) =>
    new Map(
      [...graph].map(([name, needs]) => [name, needs.filter((need) => names.indexOf(need) < names.indexOf(name))]),
    ),
);

/** All names that can be reached from a name, by the simplest algorithm. */
function reach(name: string, graph: Dependencies): Set<string> {
  const found = new Set<string>();
  const visit = (one: string): void => {
    for (const next of graph.get(one) ?? []) {
      if (found.has(next)) continue;
      found.add(next);
      visit(next);
    }
  };
  visit(name);
  return found;
}

describe("the graph of dependencies", () => {
  it("describes a cycle by its path", () => {
    expect(cycleThrough("a", graphOf({ a: ["b"], b: ["c"], c: ["a"] }))).toEqual(["a", "b", "c", "a"]);
    expect(cycleThrough("a", graphOf({ a: ["a"] }))).toEqual(["a", "a"]);
    expect(cycleThrough("a", graphOf({ a: ["b"], b: ["c", "d"] }))).toBeUndefined();
  });

  it("finds a cycle through a name exactly if the name is reachable from itself, and returns it as the path", () => {
    fc.assert(
      fc.property(graphs, fc.constantFrom(...names), (graph, name) => {
        const cycle = cycleThrough(name, graph);
        expect(cycle !== undefined).toBe(reach(name, graph).has(name));
        if (cycle === undefined) return;
        expect([cycle.at(0), cycle.at(-1)]).toEqual([name, name]);
        for (const [index, step] of cycle.entries()) {
          if (index > 0) expect(graph.get(cycle[index - 1] ?? "")).toContain(step);
        }
        expect(new Set(cycle).size).toBe(cycle.length - 1);
      }),
    );
  });

  it("loads everything that is needed once, dependencies first", () => {
    fc.assert(
      fc.property(acyclicGraphs, fc.subarray(names, { minLength: 1 }), (graph, wanted) => {
        const order = loadOrder(wanted, graph);
        const all = new Set(wanted.flatMap((name) => [name, ...reach(name, graph)]));
        expect(new Set(order)).toEqual(all);
        expect(order.length).toBe(all.size);
        for (const [index, name] of order.entries()) {
          for (const need of graph.get(name) ?? []) expect(order.indexOf(need)).toBeLessThan(index);
        }
      }),
    );
  });

  it("unloads all dependents of a module once, dependents first", () => {
    fc.assert(
      fc.property(acyclicGraphs, fc.constantFrom(...names), (graph, name) => {
        const order = dependentsOrder(name, graph);
        const expected = names.filter((other) => reach(other, graph).has(name));
        expect([...order].sort()).toEqual(expected);
        for (const [index, dependent] of order.entries()) {
          for (const need of graph.get(dependent) ?? []) {
            if (order.includes(need)) expect(order.indexOf(need)).toBeGreaterThan(index);
          }
        }
        expect(directDependents(name, graph)).toEqual(names.filter((other) => graph.get(other)?.includes(name)));
      }),
    );
  });

  it("terminates on a graph with cycles", () => {
    fc.assert(fc.property(graphs, (graph) => void expect(new Set(loadOrder(names, graph))).toEqual(new Set(names))));
  });

  it("handles a chain that is longer than the call stack", () => {
    const long: Dependencies = new Map(Array.from({ length: 50_000 }, (_, index) => [`${index}`, [`${index + 1}`]]));
    expect(cycleThrough("0", long)).toBeUndefined();
    expect(loadOrder(["0"], long).length).toBe(50_001);
  });
});

describe("the search for call cycles", () => {
  const calls = (dependencies: readonly string[], fallbackModule = "") => ({ dependencies, fallbackModule });

  it("follows the fallback of a module that is called", () => {
    const modules = new Map([
      ["a", calls(["b"])],
      ["b", calls([], "a")],
    ]);
    expect(callCycle("a", modules)).toEqual(["a", "b", "a"]);
    expect(callCycle("b", modules)).toEqual(["b", "a", "b"]);
  });

  it("does not follow the fallback of a fallback, because a call falls back once", () => {
    const modules = new Map([
      ["a", calls([], "b")],
      ["b", calls([], "a")],
    ]);
    expect(callCycle("a", modules)).toBeUndefined();
  });

  it("finds cycles without fallbacks too", () => {
    const modules = new Map([
      ["a", calls(["b"])],
      ["b", calls(["a"])],
    ]);
    expect(callCycle("b", modules)).toEqual(["b", "a", "b"]);
  });
});
